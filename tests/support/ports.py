"""Ports for servers that a test starts as processes of their own."""

from __future__ import annotations

import contextlib
import random
import socket

__all__ = ["free_port"]


def free_port(host: str = "127.0.0.1") -> int:
    """Return a port of `host` that is free, below those that the system gives to outgoing connections."""
    while True:
        port = random.randrange(20_000, 32_000)
        with socket.socket() as listener, contextlib.suppress(OSError):
            listener.bind((host, port))
            return port
