"""Vendors' emulators as processes of their own; `make vendors` installs them under `.build/`."""

from __future__ import annotations

import contextlib
import http.client
import os
import socket
import subprocess
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

from tests.support.ports import free_port

__all__ = ["BUILD", "RequestCheck", "localstripe", "stripe_mock"]

BUILD = Path(__file__).parents[2] / ".build"
_PATIENCE = 60.0


@contextlib.contextmanager
def stripe_mock() -> Iterator[RequestCheck]:
    """Run Stripe's own stripe-mock; offers to check requests."""
    program = str(BUILD / "bin" / "stripe-mock")
    # Left to itself it listens for HTTPS as well, always on the same port: two suites would not run at once.
    with _served(
        lambda port: [program, "-http-addr", f"127.0.0.1:{port}", "-https-addr", "127.0.0.1:"]
    ) as port:
        yield RequestCheck(port)


@contextlib.contextmanager
def localstripe() -> Iterator[str]:
    """Run localstripe; yields its URL."""
    python = str(BUILD / "localstripe" / "bin" / "python")
    with _served(lambda port: [python, "-m", "localstripe", "--port", str(port), "--from-scratch"]) as port:
        yield f"http://127.0.0.1:{port}"


class RequestCheck:
    """Has stripe-mock judge requests: `refused` holds those that Stripe's description doesn't allow."""

    def __init__(self, port: int) -> None:
        self._port = port
        self.accepted: set[tuple[str, str]] = set()
        self.refused: list[str] = []

    def __call__(self, method: str, target: str, body: bytes) -> None:
        connection = http.client.HTTPConnection("127.0.0.1", self._port, timeout=_PATIENCE)
        headers = {"Authorization": "Bearer sk_test_123"}
        if method == "POST":
            headers["Content-Type"] = "application/x-www-form-urlencoded"
        try:
            connection.request(method, target, body or None, headers)
            answer = connection.getresponse()
            text = answer.read().decode()
        finally:
            connection.close()
        if 200 <= answer.status < 300:
            self.accepted.add((method, target.partition("?")[0]))
        else:
            self.refused.append(f"{method} {target} {body.decode()}: {answer.status} {text}")


@contextlib.contextmanager
def _served(command: Callable[[int], Sequence[str]]) -> Iterator[int]:
    if not Path(command(0)[0]).exists():
        raise FileNotFoundError(f"{command(0)[0]} is missing; `make vendors` installs it")
    process, port = _started(command)
    try:
        yield port
    finally:
        process.terminate()
        process.wait(_PATIENCE)


def _started(command: Callable[[int], Sequence[str]]) -> tuple[subprocess.Popen[bytes], int]:
    """Start a server that listens; on a busy machine its port may be taken before it is, so try others."""
    for _ in range(5):
        port = free_port()
        # Nothing of the seller's own environment concerns a vendor.
        process = subprocess.Popen(
            command(port),
            env={"PATH": os.environ["PATH"]},
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        give_up = time.monotonic() + _PATIENCE
        while process.poll() is None:
            assert time.monotonic() < give_up, f"{command(port)} does not listen"
            with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), 1):
                # Whoever took the port would answer as well.
                time.sleep(0.1)
                if process.poll() is None:
                    return process, port
            time.sleep(0.05)
    raise AssertionError(f"{command(0)} ends at once")
