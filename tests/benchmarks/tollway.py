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

_PROXY, _ADMIN, _STATUS = 18000, 18080, 18081
_UPSTREAM = f"http://127.0.0.1:{UPSTREAM_PORT}"
_PATIENCE = 120.0
_MARK_EVERY = timedelta(milliseconds=50)


class Tollway:
    """A running `tollway serve`, doing key-auth, rate-limiting and the usage log at level `group`."""

    name = "tollway"
    port = _PROXY

    def __init__(self, pid: int, data_dir: Path) -> None:
        """Name a running supervisor and its data folder."""
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

    def new_events(self) -> int:
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
    def running(cls, scratch: Scratch, *, core: int) -> Iterator[Tollway]:
        """Load the configuration, and run Tollway on one core until the block ends."""
        data_dir = scratch.path / "tollway"
        _configure(data_dir, scratch.keys())
        environment = {
            "TOLLWAY_DATA_DIR": str(data_dir),
            "TOLLWAY_PROXY_LISTEN": f"127.0.0.1:{_PROXY}",
            "TOLLWAY_ADMIN_LISTEN": f"127.0.0.1:{_ADMIN}",
            "TOLLWAY_CONSOLE_LISTEN": "off",
            "TOLLWAY_PORTAL_LISTEN": "off",
            "TOLLWAY_STATUS_LISTEN": f"127.0.0.1:{_STATUS}",
            "TOLLWAY_USAGE_LOG_LEVEL": "group",
        }
        command = [sys.executable, "-m", "tollway", "serve"]
        log = scratch.path / "logs" / "tollway.out"
        with pinned(command, port=_PROXY, core=core, log=log, environment=environment) as pid:
            _wait_ready()
            yield cls(pid, data_dir)


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


def _wait_ready() -> None:
    deadline = time.monotonic() + _PATIENCE
    while time.monotonic() < deadline:
        with (
            contextlib.suppress(OSError),
            urllib.request.urlopen(f"http://127.0.0.1:{_STATUS}/readyz", timeout=5) as answer,
        ):
            if answer.status == 200:
                return
        time.sleep(0.1)
    raise SystemExit("tollway isn't ready; see .build/bench/logs/tollway.out")
