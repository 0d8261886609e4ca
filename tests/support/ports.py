"""Ports for servers that a test starts as processes of their own."""

from __future__ import annotations

import contextlib
import os
import random
import socket

__all__ = ["free_port"]

_FIRST = int(os.environ.get("TOLLWAY_TEST_PORTS", "20000"))
"""Suites that run at once have ranges of their own: a port is free only until somebody else takes it."""


def free_port(host: str = "127.0.0.1") -> int:
    """Return a port of `host` that is free, below those that the system gives to outgoing connections."""
    while True:
        port = random.randrange(_FIRST, _FIRST + 6_000)
        with socket.socket() as listener, contextlib.suppress(OSError):
            listener.bind((host, port))
            return port
