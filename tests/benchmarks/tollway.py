"""Tollway under test: the whole of `tollway serve`, with the peers' 100,000 keys and their job."""

from __future__ import annotations

import contextlib
import json
import sys
import time
import urllib.request
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

from tests.benchmarks.peers import UPSTREAM_PORT, pinned
from tests.benchmarks.processes import tree
from tests.benchmarks.scratch import Scratch
from tollway.app.gateway import open_gateway
from tollway.app.settings import load_settings
from tollway.gateway.service import ImportRow
from tollway.gateway.usage_log import NativeUsageLog
from tollway.metering.models import CursorVector

__all__ = ["Tollway"]

_FIRST_PORT = {"tollway": 18100, "tollway_strict": 18110}
_UPSTREAM = f"http://127.0.0.1:{UPSTREAM_PORT}"
_PATIENCE = 120.0
_MARK_EVERY = timedelta(milliseconds=50)


class Tollway:
    """A running `tollway serve`, doing key-auth, rate-limiting and the usage log (`group`, or `strict`)."""

    def __init__(self, name: str, pid: int, data_dir: Path) -> None:
        """Name a running supervisor and its data folder."""
        self.name = name
        self.ports = {"http": _FIRST_PORT[name]}
        self._pid = pid
        self._data_dir = data_dir
        self._log = NativeUsageLog(data_dir / "usage-log")
        self._counted = CursorVector()

    def processes(self) -> list[int]:
        """Every process: supervisor, gateway, control, worker."""
        return tree(self._pid)

    def gateway_processes(self) -> list[int]:
        """The gateway's process alone."""
        facts = json.loads((self._data_dir / "run.json").read_text(encoding="utf-8"))
        return [facts["processes"]["gateway"]]

    def check(self, requests: int, connections: int) -> None:
        """Each answer counted is an event; wrk leaves up to one answer a connection uncounted."""
        events = self._new_events()
        if not requests <= events <= requests + connections:
            raise SystemExit(f"{requests} answers were counted, the usage log has {events}")

    def _new_events(self) -> int:
        """Return how many complete exchanges with status 200 the usage log has gained since the last call."""
        time.sleep(3 * _MARK_EVERY.total_seconds())
        view = self._log.view()
        end = CursorVector({state.shard: state.readable for state in view.shards})
        batch = self._log.aggregate(self._counted, end, (), sys.maxsize >> 1)
        if not batch.done or batch.faults:
            raise SystemExit(f"the usage log is not whole: {batch.faults}")
        self._counted = batch.after
        return sum(
            group.requests for group in batch.groups if group.status == 200 and group.completion == "complete"
        )

    @classmethod
    @contextlib.contextmanager
    def running(cls, name: str, scratch: Scratch, *, core: int) -> Iterator[Tollway]:
        """Load the configuration, and run Tollway on one core until the block ends."""
        data_dir = scratch.path / name
        _configure(data_dir, scratch.keys())
        proxy, admin, status = range(_FIRST_PORT[name], _FIRST_PORT[name] + 3)
        environment = {
            "TOLLWAY_DATA_DIR": str(data_dir),
            "TOLLWAY_PROXY_LISTEN": f"127.0.0.1:{proxy}",
            "TOLLWAY_ADMIN_LISTEN": f"127.0.0.1:{admin}",
            "TOLLWAY_CONSOLE_LISTEN": "off",
            "TOLLWAY_PORTAL_LISTEN": "off",
            "TOLLWAY_STATUS_LISTEN": f"127.0.0.1:{status}",
            "TOLLWAY_USAGE_LOG_LEVEL": name.partition("_")[2] or "group",
        }
        command = [sys.executable, "-m", "tollway", "serve"]
        log = scratch.path / "logs" / f"{name}.out"
        with pinned(command, port=proxy, core=core, log=log, environment=environment) as pid:
            _wait_ready(status)
            yield cls(name, pid, data_dir)


def _configure(data_dir: Path, keys: list[tuple[str, str]]) -> None:
    """Store what the peers' configurations say: one route, key-auth, a limit that nobody reaches."""
    key_auth = {"key_names": ["X-Api-Key"], "hide_credentials": True}
    with open_gateway(load_settings(data_dir=data_dir)) as store:
        with store.write() as gateway:
            gateway.services.create({"name": "bench", "url": _UPSTREAM})
            route = {"name": "api", "paths": ["/api/"], "strip_path": False, "service": {"name": "bench"}}
            gateway.routes.create(route)
            gateway.plugins.create({"name": "key-auth", "config": key_auth})
            limit = {"minute": 1_000_000, "policy": "local"}
            gateway.plugins.create({"name": "rate-limiting", "config": limit})
        store.import_consumers(ImportRow(username=consumer, keys=(key,)) for key, consumer in keys)


def _wait_ready(status: int) -> None:
    deadline = time.monotonic() + _PATIENCE
    while time.monotonic() < deadline:
        with (
            contextlib.suppress(OSError),
            urllib.request.urlopen(f"http://127.0.0.1:{status}/readyz", timeout=5) as answer,
        ):
            if answer.status == 200:
                return
        time.sleep(0.1)
    raise SystemExit("tollway isn't ready; see .build/bench/logs")
