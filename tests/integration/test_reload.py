"""Upgrades and reloads under load: no request fails, each is metered once, limits stay exact."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.support.supervised import Installation, Supervised
from tests.support.traffic import PATHS, Client, Upstream, until_done

RELOADS = int(os.environ.get("TOLLWAY_TEST_RELOADS", "0"))
UPGRADES = int(os.environ.get("TOLLWAY_TEST_UPGRADES", "1"))
"""`make reload` asks for many more."""

KEY = "a-key-of-the-reload-test"
LIMITED_KEY = "a-key-that-is-limited"
LIMIT = 300


class Callers:
    """Clients that go on while a block runs: some keep their connection, others open one for each request."""

    def __init__(self, port: int) -> None:
        self.clients = [Client(port, KEY) for _ in range(4)]
        self.limited = Client(port, LIMITED_KEY)
        self.failed: list[str] = []
        self._stop = threading.Event()

    @contextmanager
    def calling(self) -> Iterator[Callers]:
        """Call while the block runs."""
        threads = [
            threading.Thread(target=self._call, args=(client, 0.004), kwargs={"keep": number % 2 == 0})
            for number, client in enumerate(self.clients)
        ]
        threads.append(threading.Thread(target=self._call, args=(self.limited, 0.02), kwargs={"keep": True}))
        # One that is idle for longer than some, and for less long than a connection that ends stays.
        self.clients.append(sleepy := Client(self.clients[0].port, KEY))
        threads.append(threading.Thread(target=self._call, args=(sleepy, 1.0), kwargs={"keep": True}))
        with until_done(threads, self._stop):
            yield self

    def _call(self, client: Client, pause: float, *, keep: bool) -> None:
        step = 0
        while not self._stop.is_set():
            step += 1
            status = client.get(PATHS[step % len(PATHS)])
            if status is None or status >= 500:
                self.failed.append(f"{time.time():.3f} {status} {client.fault}")
            if not keep:
                client.close()
            self._stop.wait(pause)
        client.close()


def _configure(tollway: Supervised, upstream: Upstream) -> None:
    tollway.admin("/services", name="api", url=f"http://127.0.0.1:{upstream.port}")
    tollway.admin("/services/api/routes", name="all", paths=["/"])
    tollway.admin("/services/api/plugins", name="key-auth")
    for name, key in {"free": KEY, "limited": LIMITED_KEY}.items():
        tollway.admin("/consumers", username=name)
        tollway.admin(f"/consumers/{name}/key-auth", key=key)
    limits = {"year": LIMIT, "policy": "local"}
    tollway.admin("/consumers/limited/plugins", name="rate-limiting", config=limits)
    tollway.wait_ready()


@pytest.mark.timeout(180 + 60 * (RELOADS + UPGRADES))
def test_upgrades_and_reloads_lose_no_request(tmp_path: Path) -> None:
    installation = Installation(tmp_path)
    installation.install("1.0")
    tollway = Supervised(tmp_path, package=installation.path, TOLLWAY_GATEWAY_WORKERS="2")
    with Upstream().running() as upstream, tollway.running():
        _configure(tollway, upstream)
        assert tollway.version() == "1.0"
        first = tollway.run_file()["processes"]
        with Callers(tollway.ports["proxy"]).calling() as callers:
            for number in range(UPGRADES):
                installation.install(f"{number % 2 + 2}.0")
                tollway.tollway("reload")
                assert tollway.version() == f"{number % 2 + 2}.0"
            for _ in range(RELOADS):
                tollway.tollway("reload")
            while len(callers.limited.acknowledged) < LIMIT:
                time.sleep(0.05)
            time.sleep(0.5)  # some more, which are to be refused
        last = tollway.run_file()
        assert last["reloads"] == {"count": RELOADS + UPGRADES, "problem": None}
        assert last["processes"]["supervisor"] == first["supervisor"]
        assert not set(first.values()) - {first["supervisor"]} & set(last["processes"].values())
        assert callers.failed == []

        acknowledged = [name for client in callers.clients for name in client.acknowledged]
        acknowledged += callers.limited.acknowledged
        assert len(callers.limited.acknowledged) == LIMIT
        _wait_metered(tollway, acknowledged)


def _wait_metered(tollway: Supervised, acknowledged: list[str]) -> None:
    """Every acknowledged request is metered, and each once."""
    give_up = time.monotonic() + 90
    while True:
        metered = Counter(event["request_id"] for event in tollway.events())
        if not set(acknowledged) - metered.keys() or time.monotonic() > give_up:
            break
    assert set(metered.values()) == {1}
    assert metered.keys() == set(acknowledged)
    assert len(acknowledged) == len(metered)


@pytest.mark.timeout(300)
def test_what_can_not_run_changes_nothing(tmp_path: Path) -> None:
    installation = Installation(tmp_path)
    installation.install("1.0")
    tollway = Supervised(tmp_path, package=installation.path, TOLLWAY_GATEWAY_WORKERS="1")
    with Upstream().running() as upstream, tollway.running():
        _configure(tollway, upstream)
        before = tollway.run_file()["processes"]
        client = Client(tollway.ports["proxy"], KEY)

        # A package that is broken is found out by trying it.
        installation.install("2.0")
        installation.spoil("app/roles.py")
        assert "spoilt" in _refused(tollway)
        # So is one that fails when it takes over: nobody would be there to catch it.
        for version, module, function in (
            ("2.1", "app/data_dir.py", "claim_node"),
            ("2.2", "app/traffic.py", "traffic_options"),
        ):
            installation.install(version)
            installation.spoil_function(module, function)
            assert "spoilt when called" in _refused(tollway)
        # One whose gateway can't start, by starting it.
        installation.install("3.0")
        installation.spoil("gateway/process.py")
        assert "gateway: its successor did not get ready" in _refused(tollway)

        after = tollway.run_file()["processes"]
        assert (after["supervisor"], after["gateway"]) == (before["supervisor"], before["gateway"])
        assert tollway.version() == "1.0"
        assert client.get("/length") == 200
        client.close()


def _refused(tollway: Supervised) -> str:
    done = subprocess.run(
        [sys.executable, "-m", "tollway", "reload"],
        env=tollway.environment | {"PYTHONPATH": ""},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 1, done.stderr
    return done.stderr
