"""A gateway in a process of its own, started as the supervisor starts it: with its sockets handed down."""

from __future__ import annotations

import http.client
import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple, Self

from tollway.app.default_certificate import default_certificate

__all__ = ["Answer", "GatewayProcess", "eventually"]

NODE = "0123456789abcdef0123456789abcdef"
PEPPER = bytes(range(32))


class Answer(NamedTuple):
    """What a client got; header names in lower case."""

    status: int
    headers: dict[str, str]
    body: bytes

    def json(self) -> Any:
        return json.loads(self.body)


class GatewayProcess:
    """Runs on `folder`, which outlives it. `options` are laid over the usual ones."""

    def __init__(
        self, folder: Path, *, environment: dict[str, str] | None = None, tls: bool = False, **options: Any
    ) -> None:
        self._listeners = [_listener(), _listener()]
        self.port, self.status_port = (listener.getsockname()[1] for listener in self._listeners)
        read, self._lifeline = os.pipe()
        log = folder / "usage-log"
        log.mkdir(exist_ok=True)
        proxy, status = (listener.fileno() for listener in self._listeners)
        document = {
            "listeners": [{"fd": proxy, "http2": True, "tls": tls}],
            "status_fd": status,
            "lifeline_fd": read,
            "workers": 2,
            "data_dir": str(folder),
            "usage_log_dir": str(log),
            "usage_log_level": "group",
            "usage_log_budget_bytes": 1 << 30,
            "node": NODE,
            "control_socket": str(folder / "control.sock"),
            "pepper": PEPPER.hex(),
            "cache_key": "cd" * 32,
            "ready_needs_control": False,
            "drain_seconds": 10,
            **({"tls": _tls(folder)} if tls else {}),
            **options,
        }
        self.process = subprocess.Popen(
            [sys.executable, "-m", "tollway.gateway.process"],
            stdin=subprocess.PIPE,
            stderr=subprocess.PIPE,
            pass_fds=(proxy, status, read),
            env={**os.environ, **(environment or {})},
        )
        os.close(read)
        assert self.process.stdin is not None
        self.process.stdin.write(json.dumps(document).encode())
        self.process.stdin.close()
        self.process.stdin = None

    def get(
        self, path: str = "/", *, method: str = "GET", body: bytes | None = None, **headers: str
    ) -> Answer:
        """Ask on a new connection."""
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=20)
        try:
            connection.request(
                method, path, body, {name.replace("_", "-"): value for name, value in headers.items()}
            )
            return _answer(connection)
        finally:
            connection.close()

    def status(self, path: str) -> Answer:
        """Ask the status port."""
        connection = http.client.HTTPConnection("127.0.0.1", self.status_port, timeout=20)
        try:
            connection.request("GET", path)
            return _answer(connection)
        finally:
            connection.close()

    def ready(self) -> Self:
        """Wait until `/readyz` says so."""
        eventually(lambda: self.status("/readyz").status == 200)
        return self

    def stop(self, number: signal.Signals = signal.SIGTERM) -> tuple[int, str]:
        """Send the signal and wait; returns the exit status and what was said on stderr."""
        self.process.send_signal(number)
        return self.wait()

    def wait(self) -> tuple[int, str]:
        """Wait for the end."""
        _, said = self.process.communicate(timeout=30)
        return self.process.returncode, said.decode()

    def let_go(self) -> None:
        """Close the lifeline, as the supervisor's death does."""
        os.close(self._lifeline)
        self._lifeline = -1

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        if self.process.poll() is None:
            self.process.kill()
            self.process.wait()
        assert self.process.stderr is not None
        self.process.stderr.close()
        for listener in self._listeners:
            listener.close()
        if self._lifeline >= 0:
            self.let_go()


def eventually(done: Callable[[], bool], seconds: float = 10) -> None:
    """Wait until `done`."""
    deadline = time.monotonic() + seconds
    while not done():
        assert time.monotonic() < deadline, f"not within {seconds} s"
        time.sleep(0.01)


def _tls(folder: Path) -> dict[str, str]:
    certificate = default_certificate(folder)
    return {"ticket_key": "ef" * 32, "default_cert": certificate.cert, "default_key": certificate.key}


def _listener() -> socket.socket:
    listener = socket.socket()
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    listener.bind(("127.0.0.1", 0))
    listener.listen(1024)
    return listener


def _answer(connection: http.client.HTTPConnection) -> Answer:
    response = connection.getresponse()
    body = response.read()
    return Answer(response.status, {name.lower(): value for name, value in response.getheaders()}, body)
