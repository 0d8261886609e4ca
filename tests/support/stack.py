"""A whole Tollway for tests: each role a process of its own, so that a test may kill any of them."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import httpx2

from tests.support.databases import database_settings
from tests.support.ports import free_port

__all__ = ["Gateway", "Role", "Stack", "wait_ready"]

_PATIENCE = 90.0


class Role:
    """One role's process. It can be killed and started again."""

    def __init__(
        self, name: str, environment: Mapping[str, str], log: Path, *, module: str | None = None
    ) -> None:
        """`module` runs in its place: a part of a role, which is there sooner."""
        self.name = name
        self._command = ("-m", module) if module else ("-m", "tollway", "serve", "--role", name)
        self._environment = dict(environment)
        self._log = log
        self.process: subprocess.Popen[bytes] | None = None

    def start(self, **extra: str) -> subprocess.Popen[bytes]:
        """Start the process; `extra` is added to its environment."""
        with self._log.open("ab") as output:
            self.process = subprocess.Popen(
                [sys.executable, *self._command],
                env=self._environment | extra,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
            )
        return self.process

    def kill(self) -> None:
        """Kill it with SIGKILL, and wait until it is gone."""
        assert self.process is not None
        self.process.kill()
        self.process.wait()

    def died_of(self) -> int:
        """Wait until it has died by itself; return the signal that it died of."""
        assert self.process is not None
        return -self.process.wait(_PATIENCE)

    def stop(self) -> None:
        """End it in good order if it runs."""
        if self.process is None or self.process.poll() is not None:
            return
        self.process.send_signal(signal.SIGTERM)
        try:
            self.process.wait(_PATIENCE)
        except subprocess.TimeoutExpired:
            self.kill()
            raise


class Gateway(Role):
    """A further gateway that follows a stack's control, with a data folder and ports of its own."""

    def __init__(self, stack: Stack, name: str, *, host: str = "127.0.0.1", **settings: str) -> None:
        """`settings` are environment variables."""
        self.ports = {listener: free_port(host) for listener in ("proxy", "status")}
        self.host = host
        data = Path(stack.environment["TOLLWAY_DATA_DIR"])
        listen = {
            f"TOLLWAY_{listener.upper()}_LISTEN": f"{host}:{port}" for listener, port in self.ports.items()
        }
        own = {
            "TOLLWAY_DATA_DIR": str(stack.folder / name),
            "TOLLWAY_USAGE_LOG_DIR": str(data / "usage-log"),
            "TOLLWAY_CONTROL_SOCKET": str(data / "control.sock"),
        }
        super().__init__("gateway", stack.environment | listen | own | settings, stack.folder / f"{name}.log")
        self._folder = stack.folder

    @contextlib.contextmanager
    def running(self) -> Iterator[Gateway]:
        """Start it; end it when the block ends."""
        try:
            self.start()
            self.wait_ready()
            yield self
        finally:
            self.stop()

    def url(self, listener: str) -> str:
        """Return a listener's URL."""
        return f"http://{self.host}:{self.ports[listener]}"

    def wait_ready(self) -> None:
        """Return once it serves the newest configuration."""
        wait_ready(self.url("status"), self._folder)


class Stack:
    """Gateway, control and worker over one data folder, each on ports of its own."""

    def __init__(self, folder: Path, *, package: Path | None = None, **settings: str) -> None:
        """`package` is a folder with another build of the package; `settings` are environment variables."""
        self.folder = folder
        self.ports = {name: free_port() for name in ("proxy", "admin", "console", "portal", "status")}
        inherited = {name: value for name, value in os.environ.items() if not name.startswith("TOLLWAY_")}
        listen = {f"TOLLWAY_{name.upper()}_LISTEN": f"127.0.0.1:{port}" for name, port in self.ports.items()}
        self.environment = inherited | listen | {"TOLLWAY_DATA_DIR": str(folder / "data")}
        self.environment |= database_settings(folder) | settings
        if package is not None:
            self.environment["PYTHONPATH"] = str(package)
        self.roles = {
            name: Role(name, self.environment, folder / f"{name}.log")
            for name in ("control", "gateway", "worker")
        }

    @contextlib.contextmanager
    def running(self) -> Iterator[Stack]:
        """Start every role; end them all when the block ends."""
        try:
            for role in self.roles.values():
                role.start()
            self.wait_ready()
            yield self
        finally:
            for name in ("gateway", "worker", "control"):
                self.roles[name].stop()

    def url(self, listener: str) -> str:
        """Return a listener's URL."""
        return f"http://127.0.0.1:{self.ports[listener]}"

    def admin(self, path: str, **body: Any) -> Any:
        """Create something through the Admin API; return it."""
        answer = httpx2.post(self.url("admin") + path, json=body, timeout=10)
        assert answer.status_code == 201, answer.text
        return answer.json()

    def tollway(self, *arguments: str) -> str:
        """Run a command; return what it printed, once it has nothing to complain of."""
        give_up = time.monotonic() + _PATIENCE
        while True:
            done = subprocess.run(
                [sys.executable, "-m", "tollway", *arguments],
                env=self.environment,
                capture_output=True,
                text=True,
                check=False,
            )
            assert done.returncode == 0, done.stderr
            # On a slow disk, recovery of a killed gateway's log takes longer than a command waits.
            if "usage may be missing" not in done.stderr:
                return done.stdout
            assert time.monotonic() < give_up, done.stderr

    def usage(self) -> dict[str, int]:
        """Return the quantity of each meter, all consumers together."""
        quantities: dict[str, int] = {}
        for row in json.loads(self.tollway("usage", "--output", "json")):
            quantities[row["meter"]] = quantities.get(row["meter"], 0) + int(row["quantity"])
        return quantities

    def events(self) -> list[dict[str, Any]]:
        """Return every metered event."""
        lines = self.tollway("usage", "events", "--output", "json").splitlines()
        return [json.loads(line) for line in lines]

    def wait_ready(self) -> None:
        """Return once the gateway serves the newest configuration."""
        wait_ready(self.url("status"), self.folder)


def wait_ready(status: str, folder: Path) -> None:
    """Return once the gateway with this status URL serves the newest configuration; logs are in `folder`."""
    give_up = time.monotonic() + _PATIENCE
    while time.monotonic() < give_up:
        with contextlib.suppress(httpx2.HTTPError):
            if httpx2.get(f"{status}/readyz", timeout=5).status_code == 200:
                return
        time.sleep(0.02)
    logs = "\n".join(path.read_text()[-2000:] for path in sorted(folder.glob("*.log")))
    raise AssertionError(f"not ready within {_PATIENCE:.0f} s:\n{logs}")
