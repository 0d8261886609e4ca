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

from tests.support.ports import free_port
from tests.support.supervised import Installation, Supervised
from tests.support.traffic import PATHS, Client, Upstream, until_done
from tests.support.traffic_tls import Http2Client, Talker, serving_sockets, trusting

RELOADS = int(os.environ.get("TOLLWAY_TEST_RELOADS", "0"))
UPGRADES = int(os.environ.get("TOLLWAY_TEST_UPGRADES", "1"))
"""`make reload` asks for many more."""

KEY = "a-key-of-the-reload-test"
LIMITED_KEY = "a-key-that-is-limited"
LIMIT = 300


class Callers:
    """Clients that go on while a block runs: some keep their connection, others open one for each request.

    Over TLS too, where some speak HTTP/2 with several streams at once, and some WebSocket: sessions that are
    shorter than a gateway's drain, of which none may be cut, and one that stays until it is.
    """

    def __init__(self, port: int, tls_port: int) -> None:
        self.clients = [Client(port, KEY) for _ in range(4)]
        self.clients += [Client(tls_port, KEY, tls=trusting()) for _ in range(2)]
        self.limited = Client(port, LIMITED_KEY)
        self.multiplexers = [Http2Client(tls_port, KEY) for _ in range(2)]
        self.talker = Talker(tls_port, KEY, messages=20)
        self.stayer = Talker(tls_port, KEY, messages=1_000_000)
        self._failed: list[str] = []
        self._stop = threading.Event()
        self.stay_no_more = threading.Event()
        """Ends the session that stays: each costs a reload the whole of its drain."""

    @property
    def failed(self) -> list[str]:
        """What went wrong that nobody is told to expect."""
        others = (*self.multiplexers, self.talker, self.stayer)
        return self._failed + [problem for other in others for problem in other.failed]

    @property
    def acknowledged(self) -> list[str]:
        """The ids of all that was answered."""
        everybody = (*self.clients, self.limited, *self.multiplexers, self.talker, self.stayer)
        return [name for one in everybody for name in one.acknowledged]

    @contextmanager
    def calling(self) -> Iterator[Callers]:
        """Call while the block runs."""
        threads = [
            threading.Thread(target=self._call, args=(client, pause), kwargs={"keep": number % 2 == 0})
            for number, (client, pause) in enumerate(zip(self.clients, [0.004] * 4 + [0.05] * 2, strict=True))
        ]
        threads.append(threading.Thread(target=self._call, args=(self.limited, 0.02), kwargs={"keep": True}))
        threads += [threading.Thread(target=self._multiplex, args=(one,)) for one in self.multiplexers]
        threads.append(threading.Thread(target=self._talk, args=(self.talker, self._stop)))
        threads.append(threading.Thread(target=self._talk, args=(self.stayer, self.stay_no_more)))
        # One that is idle for longer than some, and for less long than a connection that ends stays.
        self.clients.append(sleepy := Client(self.clients[0].port, KEY))
        threads.append(threading.Thread(target=self._call, args=(sleepy, 1.0), kwargs={"keep": True}))
        with until_done(threads, self._stop):
            try:
                yield self
            finally:
                self.stay_no_more.set()

    def wait_cut(self, times: int) -> None:
        """Return when the session that stays was cut so often: an old gateway drains behind the new one."""
        give_up = time.monotonic() + 60
        while self.stayer.cut < times and time.monotonic() < give_up:
            time.sleep(0.05)

    @staticmethod
    def _talk(talker: Talker, stop: threading.Event) -> None:
        while not stop.is_set():
            talker.talk(stop)

    def _multiplex(self, client: Http2Client) -> None:
        while not self._stop.is_set():
            client.get_all([PATHS[step % len(PATHS)] for step in range(8)])
            self._stop.wait(0.1)
        client.close()

    def _call(self, client: Client, pause: float, *, keep: bool) -> None:
        step = 0
        while not self._stop.is_set():
            step += 1
            status = client.get(PATHS[step % len(PATHS)])
            if status is None or status >= 500:
                self._failed.append(f"{time.time():.3f} {status} {client.fault}")
            if not keep:
                client.close()
            self._stop.wait(pause)
        client.close()


def _configure(tollway: Supervised, upstream: Upstream, sockets: int | None = None) -> None:
    tollway.admin("/services", name="api", url=f"http://127.0.0.1:{upstream.port}")
    tollway.admin("/services/api/routes", name="all", paths=["/"])
    tollway.admin("/plugins", name="key-auth")
    if sockets is not None:
        tollway.admin("/services", name="sockets", url=f"http://127.0.0.1:{sockets}")
        tollway.admin("/services/sockets/routes", name="sockets", paths=["/sockets"])
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
    tls_port = free_port()
    tollway = Supervised(
        tmp_path,
        package=installation.path,
        TOLLWAY_GATEWAY_WORKERS="2",
        TOLLWAY_PROXY_TLS_LISTEN=f"127.0.0.1:{tls_port}",
    )
    with Upstream().running() as upstream, serving_sockets() as sockets, tollway.running():
        _configure(tollway, upstream, sockets)
        assert tollway.version() == "1.0"
        first = tollway.run_file()["processes"]
        with Callers(tollway.ports["proxy"], tls_port).calling() as callers:
            for number in range(UPGRADES):
                installation.install(f"{number % 2 + 2}.0")
                tollway.tollway("reload")
                assert tollway.version() == f"{number % 2 + 2}.0"
            callers.wait_cut(UPGRADES)
            callers.stay_no_more.set()
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
        # What is older than a drain's ten seconds is cut, as the documentation says; nothing else is.
        assert callers.talker.cut == 0
        assert callers.stayer.cut == UPGRADES
        assert callers.talker.finished > 0
        # Each gateway had connections of each kind.
        assert all(client.connections > UPGRADES + RELOADS for client in callers.multiplexers)
        acknowledged = callers.acknowledged
        _tell(callers)
        assert len(callers.limited.acknowledged) == LIMIT
        _wait_metered(tollway, acknowledged)


def _tell(callers: Callers) -> None:
    """Say what the run was made of (`pytest -rP`)."""
    print(  # the figures that `make reload` is run for
        f"{len(callers.acknowledged)} answered;",
        f"HTTP/2: {sum(len(one.acknowledged) for one in callers.multiplexers)} on",
        f"{sum(one.connections for one in callers.multiplexers)} connections,",
        f"{sum(one.moved for one in callers.multiplexers)} streams moved;",
        f"WebSocket: {callers.talker.finished} finished, {callers.stayer.cut} cut at the end of a drain",
    )


def _wait_metered(tollway: Supervised, acknowledged: list[str]) -> None:
    """Every acknowledged request is metered, to its last part, and each once."""
    give_up = time.monotonic() + 90
    while True:
        events = tollway.events()
        metered = Counter(event["request_id"] for event in events if event["last"])
        if not set(acknowledged) - metered.keys() or time.monotonic() > give_up:
            break
    assert set(metered.values()) == {1}
    assert metered.keys() == set(acknowledged)
    assert len(acknowledged) == len(metered)
    # A session has parts, of which the first counts as the request.
    assert set(Counter((event["request_id"], event["part"]) for event in events).values()) == {1}
    assert sum(event["units"] for event in events) == len(metered)


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
