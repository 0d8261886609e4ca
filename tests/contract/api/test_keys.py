"""Rotation of a key under `/tollway/v1`."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from starlette.testclient import TestClient

from tests.support.databases import migrated
from tests.support.gateway import Engine, NoGateways, open_store
from tollway.app.key_worker import KeyWorker
from tollway.kernel.clock import ManualClock
from tollway.storage.database import Database
from tollway.storage.gateway import GatewayStore
from tollway.storage.idempotency import SqlIdempotency
from tollway.web.admin import create_admin_app
from tollway.web.api import create_api_app
from tollway.web.api.keys import keys_router

NOON = datetime(2026, 11, 22, 12, 0, tzinfo=UTC)


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock(NOON)


@pytest.fixture
def database(tmp_path: Path) -> Iterator[Database]:
    database = migrated(tmp_path)
    yield database
    database.close()


@pytest.fixture
def store(database: Database, clock: ManualClock) -> GatewayStore:
    return open_store(database, Engine(), clock)


@pytest.fixture
def client(database: Database, store: GatewayStore, clock: ManualClock) -> TestClient:
    api = create_api_app([keys_router(store.write)], idempotency=SqlIdempotency(database, clock), version="1")
    app = create_admin_app(units=store, gateways=NoGateways(), listen="127.0.0.1:8001", api=api)
    client = TestClient(app, base_url="http://localhost:8001", raise_server_exceptions=False)
    client.post("/consumers", json={"username": "bob"})
    return client


def test_both_keys_are_there_until_the_moment_stated(
    client: TestClient, clock: ManualClock, store: GatewayStore
) -> None:
    old = client.post("/consumers/bob/key-auth", json={}).json()
    answer = client.post(f"/tollway/v1/keys/{old['id']}/rotate", json={"expire_old_after": 3600})
    assert answer.status_code == 201
    rotated = answer.json()
    assert rotated["key"].startswith("tollway_live_")
    assert (rotated["old_id"], rotated["old_expires_at"]) == (old["id"], "2026-11-22T13:00:00Z")
    keys = {key["id"]: key["ttl"] for key in client.get("/consumers/bob/key-auth").json()["data"]}
    assert keys == {old["id"]: 3600, rotated["id"]: None}
    clock.advance(timedelta(hours=1, minutes=2))
    assert KeyWorker(store).purge() == 1
    assert [key["id"] for key in client.get("/consumers/bob/key-auth").json()["data"]] == [rotated["id"]]


def test_a_second_rotation_is_refused_and_makes_no_key(client: TestClient) -> None:
    old = client.post("/consumers/bob/key-auth", json={}).json()
    path = f"/tollway/v1/keys/{old['id']}/rotate"
    assert client.post(path, json={"expire_old_after": 60}).status_code == 201
    again = client.post(path, json={"expire_old_after": 60})
    assert (again.status_code, again.json()["code"]) == (409, "conflict")
    assert "2026-11-22T12:01:00Z" in again.json()["detail"]
    assert len(client.get("/consumers/bob/key-auth").json()["data"]) == 2


@pytest.mark.parametrize("overlap", [-1, 2_592_001, 1.5, "60", None, True])
def test_an_overlap_is_whole_seconds_up_to_30_days(client: TestClient, overlap: object) -> None:
    old = client.post("/consumers/bob/key-auth", json={}).json()
    answer = client.post(f"/tollway/v1/keys/{old['id']}/rotate", json={"expire_old_after": overlap})
    assert answer.status_code == 400
    assert answer.json()["errors"][0]["location"] == "body.expire_old_after"


@pytest.mark.parametrize("key", ["0199aaaa-0000-7000-8000-000000000001", "none"])
def test_unknown_keys_are_not_found(client: TestClient, key: str) -> None:
    answer = client.post(f"/tollway/v1/keys/{key}/rotate", json={"expire_old_after": 0})
    assert (answer.status_code, answer.json()["code"]) == (404, "not_found")
