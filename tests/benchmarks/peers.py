"""The gateways under test: how each is started on its core, and which processes are its own."""

from __future__ import annotations

import contextlib
import os
import socket
import subprocess
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Protocol

from tests.benchmarks.processes import tree
from tests.benchmarks.programs import Programs
from tests.benchmarks.scratch import Scratch

__all__ = ["UPSTREAM_PORT", "Peer", "Subject", "pinned", "upstream", "wait_for_port"]

UPSTREAM_PORT = 19000
_PROGRAM = {"nginx": "/usr/sbin/nginx", "haproxy": "/usr/sbin/haproxy"}
_CONFIGURATIONS = {
    "nginx_plain": "nginx_plain.conf",
    "nginx": "nginx_native.conf",
    "nginx_lua": "nginx_lua.conf",
    "haproxy": "haproxy.cfg",
}
_PORTS = {
    "nginx_plain": {"http": 18001},
    "nginx": {"http": 18002},
    "nginx_lua": {"http": 18003},
    "haproxy": {"http": 18004},
    "relay": {"http": 18005},
}


class Subject(Protocol):
    """A gateway under test."""

    name: str
    ports: dict[str, int]
    """By scheme."""

    def processes(self) -> list[int]:
        """Every process of it."""

    def gateway_processes(self) -> list[int]:
        """Those of them that carry requests."""

    def check(self, requests: int, connections: int) -> None:
        """Raise SystemExit where so many answers can't be what it gave since the last call."""


class Peer:
    """nginx or HAProxy with one of the configurations in bench/peers, or the relay."""

    def __init__(self, name: str, pid: int) -> None:
        """Name a running peer; `pid` is its first process."""
        self.name = name
        self.ports = _PORTS[name]
        self._pid = pid

    def processes(self) -> list[int]:
        """Every process of it."""
        return tree(self._pid)

    gateway_processes = processes

    def check(self, requests: int, connections: int) -> None:
        """It has nothing to check."""

    @classmethod
    @contextlib.contextmanager
    def running(cls, name: str, scratch: Scratch, programs: Programs, *, core: int) -> Iterator[Peer]:
        """Run a peer until the block ends."""
        port = _PORTS[name]["http"]
        if name == "relay":
            command = [str(programs.relay), f"127.0.0.1:{port}", f"127.0.0.1:{UPSTREAM_PORT}"]
        else:
            command = _command(scratch.conf(_CONFIGURATIONS[name]))
        log = scratch.path / "logs" / f"{name}.out"
        with pinned(command, port=port, core=core, log=log) as pid:
            wait_for_port(port)
            yield cls(name, pid)


@contextlib.contextmanager
def upstream(scratch: Scratch, *, core: int) -> Iterator[None]:
    """Run the upstream until the block ends."""
    log = scratch.path / "logs" / "upstream.out"
    with pinned(_command(scratch.conf("upstream.conf")), port=UPSTREAM_PORT, core=core, log=log):
        wait_for_port(UPSTREAM_PORT)
        yield


@contextlib.contextmanager
def pinned(
    command: Sequence[str], *, port: int, core: int, log: Path, environment: dict[str, str] | None = None
) -> Iterator[int]:
    """Run a command that listens on `port` on one core, in a process group of its own; end it by SIGTERM.

    Raises SystemExit where somebody else has the port: it would be measured instead.
    """
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            raise SystemExit(f"port {port} is taken; is another benchmark running?") from None
    with log.open("ab") as output:
        process = subprocess.Popen(
            ["taskset", "-c", str(core), *command],
            stdout=output,
            stderr=subprocess.STDOUT,
            stdin=subprocess.DEVNULL,
            env=os.environ | (environment or {}),
            start_new_session=True,
        )
    try:
        yield process.pid
    finally:
        process.terminate()
        try:
            process.wait(timeout=20)
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, 9)
            process.wait()


def wait_for_port(port: int, *, patience: float = 20.0) -> None:
    """Return once something listens. Raises SystemExit when nothing does within `patience` seconds."""
    deadline = time.monotonic() + patience
    while time.monotonic() < deadline:
        with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), timeout=1):
            return
        time.sleep(0.05)
    raise SystemExit(f"nothing listens on port {port}; see .build/bench/logs")


def _command(configuration: Path) -> list[str]:
    if configuration.suffix == ".cfg":
        return [_PROGRAM["haproxy"], "-f", str(configuration)]
    return [_PROGRAM["nginx"], "-c", str(configuration)]
