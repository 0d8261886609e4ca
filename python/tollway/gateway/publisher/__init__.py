"""Telling gateways what the configuration is: the control side of the stream in formats.md, section 1."""

from tollway.gateway.publisher.server import Publisher, open_configuration

__all__ = ["Publisher", "open_configuration"]
