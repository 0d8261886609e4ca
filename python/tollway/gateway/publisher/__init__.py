"""Telling gateways what the configuration is: the control side of the stream in formats.md, section 1."""

from tollway.gateway.publisher.server import Publisher

__all__ = ["Publisher"]
