"""Where API clients are served: Kong's `proxy_listen` syntax, several addresses in one setting."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from dataclasses import dataclass, replace

from tollway.app.listeners import Opening, open_listener, public_address

__all__ = ["OpenListener", "ProxyListener", "parse_proxy_listeners"]

_FLAGS = {"ssl": "tls", "http2": "http2", "proxy_protocol": "proxy_protocol"}

# What Kong's own default has, so that a copied setting works: here every worker accepts on one queue anyway.
_WITHOUT_EFFECT = frozenset({"reuseport", "bind"})


@dataclass(frozen=True, slots=True)
class ProxyListener:
    """One address, and what is spoken there. `str()` gives it back in Kong's syntax."""

    address: str
    """`host:port`."""
    tls: bool = False
    http2: bool = False
    """Beside HTTP/1: by ALPN over TLS, else by prior knowledge."""
    proxy_protocol: bool = False
    """Every connection begins with a header that says who the client is."""
    backlog: int | None = None
    """How many connections may wait to be accepted; the system's own limit holds too."""

    def __str__(self) -> str:
        flags = [flag for flag, name in _FLAGS.items() if getattr(self, name)]
        backlog = [] if self.backlog is None else [f"backlog={self.backlog}"]
        return " ".join([self.address, *flags, *backlog])

    @property
    def port(self) -> int:
        """The port; 0 where the system is to choose."""
        return int(self.address.rpartition(":")[2])

    @property
    def scheme(self) -> str:
        """How a URL of it begins."""
        return "https" if self.tls else "http"

    def open(self, opening: Opening = open_listener) -> OpenListener:
        """Bind and listen. Raises `TollwayError` naming the setting."""
        name = "TOLLWAY_PROXY_TLS_LISTEN" if self.tls else "TOLLWAY_PROXY_LISTEN"
        # `[::]:8000` beside `0.0.0.0:8000` is the usual pair: each takes its own family alone, as with Kong.
        opened = opening(name, self.address, ipv6_only=True, backlog=self.backlog)
        host = self.address.rpartition(":")[0]
        return OpenListener(replace(self, address=f"{host}:{opened.getsockname()[1]}"), opened)


@dataclass(frozen=True, slots=True)
class OpenListener:
    """A listener with its socket; `listener.address` has a real port."""

    listener: ProxyListener
    socket: socket.socket

    @property
    def public_address(self) -> str:
        """Where a client on this machine reaches it."""
        return public_address(self.socket)

    def option(self) -> dict[str, int | bool]:
        """Return what the gateway is told of it."""
        flags: dict[str, int | bool] = {name: getattr(self.listener, name) for name in _FLAGS.values()}
        return {"fd": self.socket.fileno()} | flags


def parse_proxy_listeners(text: str, *, tls: bool = False) -> tuple[ProxyListener, ...]:
    """Read `0.0.0.0:8000, 0.0.0.0:8443 ssl http2, [::]:8000 proxy_protocol`.

    With `tls` each speaks TLS and HTTP/2 without being told. Raises `ValueError` saying what would be right.
    """
    listeners = tuple(_each(text, tls=tls))
    addresses = [listener.address for listener in listeners if listener.port]
    if len(set(addresses)) < len(addresses):
        raise ValueError("names an address twice; name each once")
    return listeners


def _each(text: str, *, tls: bool) -> Iterator[ProxyListener]:
    for entry in text.split(","):
        address, *flags = entry.split() or [""]
        host, separator, port = address.rpartition(":")
        bare_ipv6 = ":" in host and not (host.startswith("[") and host.endswith("]"))
        if not separator or not host or bare_ipv6 or not port.isdigit() or not 0 <= int(port) <= 65535:
            raise ValueError("write host:port, e.g. 0.0.0.0:8000 (or [::]:8000), several with commas between")
        said = {_FLAGS[flag] for flag in flags if flag in _FLAGS}
        backlog = None
        for flag in flags:
            name, _, value = flag.partition("=")
            if name == "backlog" and value.isdigit() and 0 < int(value) <= 65535:
                backlog = int(value)
            elif flag not in _FLAGS and flag not in _WITHOUT_EFFECT:
                known = ", ".join([*_FLAGS, "backlog=N"])
                raise ValueError(f"there is no flag {flag!r}; behind an address write {known}")
        yield ProxyListener(
            address,
            tls=tls or "tls" in said,
            http2=tls or "http2" in said,
            proxy_protocol="proxy_protocol" in said,
            backlog=backlog,
        )
