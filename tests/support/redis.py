"""A Redis of the test's own, on a port of its own, that keeps nothing."""

from __future__ import annotations

import contextlib
import signal
import socket
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

from tests.support.ports import free_port

__all__ = ["Redis"]

_PATIENCE = 60.0


class Redis:
    """It can be killed, started again, stopped for a while and let go on."""

    def __init__(self, folder: Path, *options: str) -> None:
        """`options` are of its command line: `--requirepass`, `word`."""
        self.port = free_port()
        folder.mkdir()
        self._command = (
            *("redis-server", "--port", str(self.port), "--bind", "127.0.0.1", "--dir", str(folder)),
            *("--save", "", "--appendonly", "no", *options),
        )
        self._process: subprocess.Popen[bytes] | None = None

    @contextlib.contextmanager
    def running(self) -> Iterator[Redis]:
        """Start it; kill it when the block ends."""
        try:
            self.start()
            yield self
        finally:
            self.kill()

    def start(self) -> None:
        """Return once it answers. It remembers nothing of an earlier life."""
        self._process = subprocess.Popen(self._command, stdout=subprocess.DEVNULL)
        give_up = time.monotonic() + _PATIENCE
        while time.monotonic() < give_up:
            with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", self.port), 1):
                return
            assert self._process.poll() is None, "Redis ended"
            time.sleep(0.02)
        raise AssertionError("Redis doesn't answer")

    def kill(self) -> None:
        """Kill it if it runs."""
        if self._process is not None:
            self._process.kill()
            self._process.wait()

    @contextlib.contextmanager
    def stopped(self) -> Iterator[None]:
        """Have it hang: it takes connections, and answers nothing."""
        assert self._process is not None
        self._process.send_signal(signal.SIGSTOP)
        try:
            yield
        finally:
            self._process.send_signal(signal.SIGCONT)
