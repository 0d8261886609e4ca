"""The configuration stream, seen from a gateway."""

from __future__ import annotations

import socket
import stat
import time
from collections.abc import Callable, Iterator, MutableMapping
from contextlib import contextmanager
from pathlib import Path
from threading import Thread, current_thread
from typing import Any
from uuid import UUID

import pytest
from structlog.testing import capture_logs

from tests.support.databases import migrated, url_of
from tests.support.gateway import VAULT, open_store
from tests.support.stream import NODE, StreamClient
from tollway.gateway.ports import GatewayState
from tollway.gateway.publisher import Publisher
from tollway.gateway.service import ImportRow
from tollway.kernel.errors import Conflict, InvalidInput
from tollway.storage.database import Database
from tollway.storage.gateway import GatewayStore, SqlConfigurationSource

UPSTREAM, TARGET = UUID(int=81), UUID(int=91)


@pytest.fixture(autouse=True)
def logs() -> Iterator[list[MutableMapping[str, Any]]]:
    with capture_logs() as entries:
        yield entries


@pytest.fixture
def database(tmp_path: Path) -> Iterator[Database]:
    database = migrated(tmp_path)
    yield database
    database.close()


@pytest.fixture
def store(database: Database) -> GatewayStore:
    return open_store(database)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "control.sock"


@pytest.fixture
def publisher(database: Database, path: Path) -> Iterator[Publisher]:
    publisher = Publisher(SqlConfigurationSource(database, VAULT), path)
    database.after_commit(publisher.wake)
    publisher.start()
    yield publisher
    publisher.stop()


def _version(store: GatewayStore) -> int:
    with store.read() as gateway:
        return gateway.version


def test_new_gateway_gets_everything_then_deltas(
    publisher: Publisher, store: GatewayStore, path: Path
) -> None:
    with store.write() as gateway:
        gateway.services.create({"url": "http://up:8080/api", "name": "up"})
        gateway.consumers.create({"username": "bob"})
    with StreamClient(path) as client:
        client.reach(_version(store))
        assert client.kinds[0] == "full_begin"
        assert [service["name"] for service in client.base["services"]] == ["up"]
        with store.write() as gateway:
            key = gateway.key_auths.create({"consumer": {"username": "bob"}, "key": "secret-of-bob"})
        client.reach(_version(store))
        assert client.kinds[-1] == "delta"
        assert client.tables["key_auth"][key.hash]["consumer"] in client.tables["consumers"]
        with store.write() as gateway:
            gateway.consumers.delete("bob")
        client.reach(_version(store))
        assert client.tables == {"consumers": {}, "key_auth": {}}
        assert publisher.connected()[0].node == NODE


def test_gateway_that_was_away_gets_what_it_missed(
    publisher: Publisher, store: GatewayStore, path: Path
) -> None:
    before = _version(store)
    with store.write() as gateway:
        gateway.consumers.create({"username": "bob"})
    with StreamClient(path, version=before) as client:
        client.reach(_version(store))
        assert [kind for kind in client.kinds if kind != "ping"] == ["delta"]
    with StreamClient(path, version=_version(store)) as client:
        assert client.next() == {"type": "ping", "version": _version(store)}
    assert publisher.wait_applied(_version(store), 1) is None


@pytest.mark.parametrize("unknown", [0, 10**15])
def test_version_that_control_does_not_know_means_everything(
    publisher: Publisher,  # noqa: ARG001
    store: GatewayStore,
    path: Path,
    unknown: int,
) -> None:
    with StreamClient(path, version=unknown) as client:
        client.until(lambda: client.kinds[-1:] == ["full_end"])
        assert client.version == _version(store)


def test_change_of_another_process_is_seen_soon(
    publisher: Publisher,  # noqa: ARG001
    store: GatewayStore,
    tmp_path: Path,
    path: Path,
) -> None:
    elsewhere = Database(url_of(tmp_path))
    with StreamClient(path, version=_version(store)) as client:
        began = time.monotonic()
        with open_store(elsewhere).write() as gateway:
            gateway.consumers.create({"username": "bob"})
        client.reach(_version(store))
        assert time.monotonic() - began < 1  # 25 ms, on a machine with nothing else to do
    elsewhere.close()


def test_waiting_for_gateways(publisher: Publisher, store: GatewayStore, path: Path) -> None:
    assert publisher.wait_applied(_version(store), 0) is None  # nobody to wait for
    with StreamClient(path) as client:
        client.answers = False
        client.reach(_version(store))
        problem = publisher.wait_applied(_version(store), 0.05)
        assert problem is not None
        assert NODE in problem
        waiter = Thread(target=lambda: client.say({"type": "applied", "version": _version(store)}))
        waiter.start()
        assert publisher.wait_applied(_version(store), 10) is None
        waiter.join()


def test_rejection_is_loud_and_the_next_delta_builds_on_what_the_gateway_has(
    publisher: Publisher, store: GatewayStore, path: Path, logs: list[MutableMapping[str, Any]]
) -> None:
    good = _version(store)
    with StreamClient(path, version=good) as client:
        client.answers = False
        with store.write() as gateway:
            gateway.consumers.create({"username": "bob"})
        bad = _version(store)
        client.until(lambda: "delta" in client.kinds)
        client.version = good
        client.say(
            {"type": "rejected", "version": bad, "location": "routes[0]", "problem": "odd", "fix": "even"}
        )
        problem = publisher.wait_applied(bad, 10)
        assert problem is not None
        assert "can't run" in problem
        client.answers = True
        with store.write() as gateway:
            gateway.consumers.create({"username": "eve"})
        client.reach(bad + 1)
        assert len(client.tables["consumers"]) == 2
        assert publisher.wait_applied(bad + 1, 10) is None
    assert [entry["problem"] for entry in logs if entry["log_level"] == "error"] == ["odd"]


def test_bulk_load_reaches_a_gateway_whole(publisher: Publisher, store: GatewayStore, path: Path) -> None:
    with StreamClient(path) as client:
        loaded = store.import_consumers(
            ImportRow(username=f"c{number}", keys=(f"key-number-{number}",)) for number in range(2_500)
        )
        client.reach(_version(store), 30)
        assert loaded == len(client.tables["consumers"]) == len(client.tables["key_auth"]) == 2_500
    with StreamClient(path) as client:
        client.reach(_version(store), 30)
        assert len(client.tables["key_auth"]) == 2_500
        assert client.kinds.count("rows") == 6
    assert publisher.connected() is not None


@pytest.mark.parametrize(
    "raw",
    [
        b"\x00\x00\x00\x05hello",
        b"\xff\xff\xff\xff",
        b'\x00\x00\x00\x1f{"type":"applied","version": 12}',
        b"\x00\x00",
    ],
)
def test_nonsense_ends_the_connection_and_nothing_else(
    publisher: Publisher, store: GatewayStore, path: Path, raw: bytes
) -> None:
    with StreamClient(path, hello=False) as stranger:
        stranger.send(raw)
        if len(raw) > 2:
            assert stranger.next() is None
    with StreamClient(path) as client:
        client.reach(_version(store))
        assert [state.node for state in publisher.connected()] == [NODE]


def test_other_protocol_is_refused(publisher: Publisher, path: Path) -> None:
    with StreamClient(path, hello=False) as client:
        client.say({"type": "hello", "protocol": 2, "node": NODE, "epoch": 1, "version": None})
        assert client.next() is None
    assert publisher.connected() == []


def test_gateway_that_left_is_not_waited_for(publisher: Publisher, store: GatewayStore, path: Path) -> None:
    client = StreamClient(path)
    client.reach(_version(store))
    client.close()
    with store.write() as gateway:
        gateway.consumers.create({"username": "bob"})
    assert publisher.wait_applied(_version(store), 10) is None


def test_socket_is_private_and_a_stale_one_is_replaced(database: Database, path: Path) -> None:
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as dead:
        dead.bind(str(path))
    publisher = Publisher(SqlConfigurationSource(database, VAULT), path)
    publisher.start()
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    with pytest.raises(Conflict, match="another process"):
        Publisher(SqlConfigurationSource(database, VAULT), path).start()
    with StreamClient(path) as client:
        client.until(lambda: client.version is not None)
        publisher.stop()
        while client.next() is not None:
            pass
    assert not path.exists()


def test_path_that_is_too_long_is_said(database: Database, tmp_path: Path) -> None:
    with pytest.raises(InvalidInput, match="TOLLWAY_DATA_DIR"):
        Publisher(SqlConfigurationSource(database, VAULT), tmp_path / ("x" * 120)).start()


def test_old_changes_are_forgotten_in_whole_versions(
    database: Database, store: GatewayStore, publisher: Publisher, path: Path
) -> None:
    source = SqlConfigurationSource(database, VAULT)
    began = _version(store)
    for number in range(6):
        with store.write() as gateway:
            gateway.consumers.create({"username": f"c{number}"})
            gateway.key_auths.create({"consumer": {"username": f"c{number}"}})
    assert source.prune(keep=5) is False
    with source.read() as reader:
        assert reader.changes_after(began, 100) is None
        assert reader.changes_after(began + 3, 100) is None
        kept = reader.changes_after(began + 4, 100)
        assert kept is not None
        assert kept.count == 4
    with StreamClient(path, version=began) as client:
        client.reach(_version(store))
        assert client.kinds[0] == "full_begin"
    assert all(isinstance(state, GatewayState) for state in publisher.connected())


def _until(done: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 10
    while not done():
        assert time.monotonic() < deadline
        time.sleep(0.01)


def _health(word: str) -> dict[str, Any]:
    address = {"ip": "10.0.0.7", "port": 80, "weight": 100, "health": word}
    target = {"id": str(TARGET), "health": word, "addresses": [address]}
    return {"type": "health", "upstreams": [{"id": str(UPSTREAM), "health": word, "targets": [target]}]}


def test_health_is_the_latest_that_each_connected_gateway_told(publisher: Publisher, path: Path) -> None:
    with StreamClient(path) as client:
        for word in ("HEALTHY", "UNHEALTHY"):
            client.say(_health(word))
        _until(lambda: [one.health for one in publisher.health(UPSTREAM)] == ["UNHEALTHY"])
        (found,) = publisher.health(UPSTREAM)
        assert (found.targets[0].id, found.targets[0].addresses[0].port) == (TARGET, 80)
        assert publisher.health(TARGET) == []
    _until(lambda: publisher.health(UPSTREAM) == [])


def test_operators_word_reaches_every_connected_gateway(publisher: Publisher, path: Path) -> None:
    with StreamClient(path) as first, StreamClient(path) as second:
        _until(lambda: len(publisher.connected()) == 2)
        publisher.set_health(UPSTREAM, TARGET, "10.0.0.7:80", healthy=False)
        for client in (first, second):
            client.until(lambda client=client: "set_health" in client.kinds)  # type: ignore[misc]


class Faltering(SqlConfigurationSource):
    """A source whose database is away once."""

    failures = 1

    @contextmanager
    def watch(self) -> Iterator[Callable[[], int]]:
        with super().watch() as newest:

            def sometimes() -> int:
                if current_thread().name == "configuration-look" and Faltering.failures:
                    Faltering.failures -= 1
                    raise OSError("the database is away")
                return newest()

            yield sometimes


def test_database_that_was_away_is_looked_at_again(
    database: Database, store: GatewayStore, path: Path, logs: list[MutableMapping[str, Any]]
) -> None:
    publisher = Publisher(Faltering(database, VAULT), path)
    publisher.start()
    with StreamClient(path) as client:
        client.reach(_version(store))
        with store.write() as gateway:
            gateway.consumers.create({"username": "bob"})
        client.reach(_version(store))
    publisher.stop()
    assert [entry["event"] for entry in logs if entry["log_level"] == "error"] == [
        "the configuration's version can't be read; trying on"
    ]
