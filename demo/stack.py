"""The processes: a fresh data folder, `tollway serve`, the upstream, and their end.

They stay in the demo's own process group: Ctrl-C reaches all of them, and whoever ends the group ends
everything.
"""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from types import FrameType
from typing import Any

import httpx2

from tollway.app.settings import Settings, load_settings

__all__ = ["Stack", "StackError", "start"]

_DEFAULT_PORTS = {"proxy": 8000, "admin": 8001, "console": 8002, "portal": 8003, "status": 8100}
_UPSTREAM_PORT = 9000
_PORTAL = Path(__file__).with_name("portal")
_PATIENCE = 60.0
_LOG_TAIL = 15
_TOLLWAY = (sys.executable, "-m", "tollway")


class StackError(Exception):
    """Something didn't start, or a command failed; the text has what it said."""


@dataclass(slots=True)
class Stack:
    """A running Tollway with its upstream. `keep` leaves the folder, logs and all, when everything ends."""

    folder: Path
    environment: dict[str, str]
    upstream_url: str
    addresses: dict[str, str] = field(default_factory=dict)
    keep: bool = False

    def seen_upstream(self) -> frozenset[str]:
        """Return the request ids that reached the upstream, by its own list."""
        lines = self.request_log.read_text(encoding="utf-8").splitlines()
        return frozenset(line.split(" ", 1)[0] for line in lines)

    @property
    def request_log(self) -> Path:
        """Where the upstream keeps that list."""
        return self.folder / "upstream-requests"

    def url(self, listener: str) -> str:
        """Return a listener's URL: `proxy`, `admin`, `console`, `portal` or `status`."""
        return f"http://{self.addresses[listener]}"

    def tollway(self, *arguments: str) -> str:
        """Run a `tollway` command and return what it printed. Raises StackError with its one clear line."""
        done = subprocess.run(
            [*_TOLLWAY, *arguments], env=self.environment, capture_output=True, text=True, check=False
        )
        if done.returncode:
            raise StackError(f"tollway {' '.join(arguments)}: {done.stderr.strip()}")
        return done.stdout

    def tollway_lines(self, *arguments: str) -> list[Any]:
        """Run a `tollway` command that answers in JSON lines."""
        return [json.loads(line) for line in self.tollway(*arguments, "--output", "json").splitlines()]

    @property
    def settings(self) -> Settings:
        """The settings of this Tollway, for calling in this process what its commands call."""
        return load_settings(data_dir=Path(self.environment["TOLLWAY_DATA_DIR"]))

    def wait_ready(self) -> None:
        """Return once the proxy serves the newest configuration."""
        deadline = time.monotonic() + _PATIENCE
        while time.monotonic() < deadline:
            with contextlib.suppress(httpx2.HTTPError):
                if httpx2.get(f"{self.url('status')}/readyz", timeout=5).status_code == 200:
                    return
            time.sleep(0.05)
        raise StackError(f"not ready within {_PATIENCE:.0f} s; {self.folder}/serve.log says why")


@contextlib.contextmanager
def start(before: Callable[[Stack], None] = lambda _: None) -> Iterator[Stack]:
    """Run everything until the block ends. The folder goes with it, unless something failed.

    `before` is called with the folder still empty and nothing running.
    """
    folder = Path(tempfile.mkdtemp(prefix="tollway-demo-"))
    listeners = {name: f"127.0.0.1:{_free(port)}" for name, port in _DEFAULT_PORTS.items()}
    settings = {f"TOLLWAY_{name.upper()}_LISTEN": listener for name, listener in listeners.items()}
    inherited = {name: value for name, value in os.environ.items() if not name.startswith("TOLLWAY_")}
    environment = (
        inherited
        | settings
        | {
            "TOLLWAY_DATA_DIR": str(folder / "data"),
            "TOLLWAY_PORTAL_DIR": str(_PORTAL),
        }
    )
    upstream_port = _free(_UPSTREAM_PORT) or _any_port()
    stack = Stack(folder, environment, f"http://127.0.0.1:{upstream_port}")
    upstream = [sys.executable, "-m", "demo.upstream", "--port", str(upstream_port)]
    upstream += ["--request-log", str(stack.request_log)]
    with _kept_for_inspection(stack), contextlib.ExitStack() as children, _signals_as_exit():
        before(stack)
        _run(children, upstream, stack, "upstream.log")
        tollway = _run(children, [*_TOLLWAY, "serve"], stack, "serve.log")
        stack.addresses = _addresses(folder, tollway)
        stack.wait_ready()
        _wait_for(stack.upstream_url)
        yield stack


@contextlib.contextmanager
def _kept_for_inspection(stack: Stack) -> Iterator[None]:
    """Remove the folder at the end; leave it, and say so, where something failed."""
    try:
        yield
    except Exception:
        stack.keep = True
        raise
    finally:
        if stack.keep:
            sys.stderr.write(f"demo: logs and data are left in {stack.folder}\n")
        else:
            shutil.rmtree(stack.folder)


def _run(
    children: contextlib.ExitStack, command: Sequence[str], stack: Stack, log: str
) -> subprocess.Popen[bytes]:
    with (stack.folder / log).open("wb") as output:
        process = subprocess.Popen(
            command, stdin=subprocess.DEVNULL, stdout=output, stderr=output, env=stack.environment
        )
    children.callback(_end, process)
    return process


def _end(process: subprocess.Popen[bytes]) -> None:
    process.terminate()
    try:
        process.wait(timeout=20)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()


def _addresses(folder: Path, tollway: subprocess.Popen[bytes]) -> dict[str, str]:
    """Return where Tollway listens, as it says itself in its run file."""
    deadline = time.monotonic() + _PATIENCE
    while time.monotonic() < deadline:
        with contextlib.suppress(FileNotFoundError):
            facts = json.loads((folder / "data" / "run.json").read_text(encoding="utf-8"))
            return dict(facts["listen"])
        if tollway.poll() is not None:
            break
        time.sleep(0.05)
    tail = (folder / "serve.log").read_text(encoding="utf-8").splitlines()[-_LOG_TAIL:]
    raise StackError("\n".join(["tollway serve did not start; its log ends with:", *tail]))


def _wait_for(url: str) -> None:
    deadline = time.monotonic() + _PATIENCE
    while time.monotonic() < deadline:
        with contextlib.suppress(httpx2.HTTPError):
            httpx2.get(url, timeout=5)
            return
        time.sleep(0.05)
    raise StackError(f"the upstream does not answer at {url}")


def _free(port: int) -> int:
    """Return the port where nobody has it, else 0: let the system choose."""
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return 0
    return port


def _any_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


@contextlib.contextmanager
def _signals_as_exit() -> Iterator[None]:
    """Let SIGTERM and SIGHUP unwind the stack as Ctrl-C does, so that no child stays behind."""

    def leave(number: int, _: FrameType | None) -> None:
        raise SystemExit(128 + number)

    previous = {number: signal.signal(number, leave) for number in (signal.SIGTERM, signal.SIGHUP)}
    try:
        yield
    finally:
        for number, handler in previous.items():
            signal.signal(number, handler)
