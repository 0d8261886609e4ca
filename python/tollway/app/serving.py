"""Several HTTP servers in one process."""

from __future__ import annotations

import socket
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager

import uvicorn
from starlette.types import ASGIApp

__all__ = ["served"]

_GRACE_SECONDS = 5
_LOOK_SECONDS = 0.01


@contextmanager
def served(sites: Mapping[str, tuple[ASGIApp, socket.socket]], stop: threading.Event) -> Iterator[None]:
    """Serve each application in a thread of its own while the block runs; `stop` is set where one ends.

    The block begins when all of them accept.

    Each has its own event loop, and with it its own threads for requests: pages that take long, such as
    those that hash passwords, leave the Admin API its own.
    """
    servers = {
        name: uvicorn.Server(
            uvicorn.Config(
                app,
                access_log=False,
                log_level="warning",
                server_header=False,
                timeout_graceful_shutdown=_GRACE_SECONDS,
            )
        )
        for name, (app, _) in sites.items()
    }

    def serve(name: str) -> None:
        try:
            servers[name].run(sockets=[sites[name][1]])
        finally:
            stop.set()  # one that failed takes the process with it, and the supervisor starts it anew

    threads = [threading.Thread(target=serve, args=(name,), name=name) for name in sites]
    for thread in threads:
        thread.start()
    try:
        while not (stop.is_set() or all(server.started for server in servers.values())):
            stop.wait(_LOOK_SECONDS)
        yield
    finally:
        for server in servers.values():
            server.should_exit = True
        for thread in threads:
            thread.join()
