"""Listening sockets: opened once, by whoever supervises, and handed to the process that accepts on them.

An upgrade can then start a new gateway on the same sockets before the old one stops, and no connection
is refused in between.
"""

from __future__ import annotations

import socket
from typing import Protocol

from tollway.kernel.errors import TollwayError

__all__ = ["Opening", "is_loopback", "open_listener", "public_address"]

_BACKLOG = 4096


class Opening(Protocol):
    """Opens a listener as `open_listener` does, or knows one that is open already."""

    def __call__(
        self, name: str, address: str, *, ipv6_only: bool = False, backlog: int | None = None
    ) -> socket.socket:
        """Return a socket that listens on `host:port`; `name` is the setting that says so."""


def open_listener(
    name: str, address: str, *, ipv6_only: bool = False, backlog: int | None = None
) -> socket.socket:
    """Bind and listen on `host:port`; the error names the setting, so that it can be mended.

    Raises `TollwayError` where the address is taken, not ours or not resolvable.
    """
    host, _, port = address.rpartition(":")
    host = host.removeprefix("[").removesuffix("]")
    try:
        family, kind, protocol, _, where = socket.getaddrinfo(
            host, int(port), type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
        )[0]
        listener = socket.socket(family, kind, protocol)
        try:
            listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            if ipv6_only and family == socket.AF_INET6:
                listener.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
            listener.bind(where)
            listener.listen(_BACKLOG if backlog is None else backlog)
        except OSError:
            listener.close()
            raise
    except OSError as error:
        raise TollwayError(
            f"{name}: can't listen on {address}: {error.strerror}; choose another with {name}=host:port"
        ) from error
    listener.setblocking(False)
    return listener


def public_address(listener: socket.socket) -> str:
    """Where a client on this machine reaches the listener: `host:port`, wildcards shown as localhost."""
    host, port = listener.getsockname()[:2]
    if host in {"0.0.0.0", "::", "127.0.0.1", "::1"}:  # noqa: S104  # compared, not bound
        host = "localhost"
    elif ":" in host:
        host = f"[{host}]"
    return f"{host}:{port}"


def is_loopback(listener: socket.socket) -> bool:
    """Whether only this machine can reach the listener."""
    host: str = listener.getsockname()[0]
    return host == "::1" or host.startswith("127.")
