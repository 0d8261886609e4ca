"""API keys: what is shown, what is kept, and that what was shown can be sent back."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from sqlalchemy import text
from starlette.testclient import TestClient

from tests.contract.admin.conftest import Current
from tests.support.gateway import SECRET, open_store
from tollway.gateway.errors import KeyEnds, SchemaViolation
from tollway.gateway.key_format import is_well_formed
from tollway.gateway.models import Attribution
from tollway.gateway.secrets import KeyVault, derive_keys
from tollway.kernel.clock import ManualClock
from tollway.kernel.mode import Mode
from tollway.storage.database import Database
from tollway.storage.gateway import GatewayStore


@pytest.fixture(autouse=True)
def bob(admin: TestClient) -> str:
    identifier: str = admin.post("/consumers", json={"username": "bob"}).json()["id"]
    return identifier


def test_minted_key_is_shown_once_and_is_nowhere(admin: TestClient, database: Database) -> None:
    created = admin.post("/consumers/bob/key-auth").json()
    key = created["key"]
    assert is_well_formed(key, "tollway")
    shown = admin.get(f"/consumers/bob/key-auth/{created['id']}").json()
    pepper_id = KeyVault(derive_keys(SECRET)).pepper_id
    reference = KeyVault(derive_keys(SECRET)).reference(key)
    assert shown["key"] == f"{{tollway-hash:{pepper_id}:{reference.hash}:{key[-4:]}}}"
    assert {**shown, "key": key} == created
    with database.read() as connection:
        row = connection.execute(text("SELECT * FROM key_auth_credential")).one()
    assert key not in repr(row)
    assert row.encrypted is None


def test_supplied_key_is_readable_and_encrypted(admin: TestClient, database: Database) -> None:
    created = admin.post("/consumers/bob/key-auth", data={"key": "the-key-that-bob-brought"}).json()
    assert created["key"] == "the-key-that-bob-brought"
    assert admin.get("/key-auths").json()["data"] == [created]
    assert admin.get("/key-auths/the-key-that-bob-brought").json() == created
    with database.read() as connection:
        row = connection.execute(text("SELECT * FROM key_auth_credential")).one()
    assert b"bob-brought" not in row.encrypted
    assert row.last_four == "ught"


@pytest.mark.parametrize("supplied", [None, "a-key-that-was-supplied"])
def test_dump_sent_back_changes_nothing(admin: TestClient, supplied: str | None) -> None:
    created = admin.post("/consumers/bob/key-auth", json={"key": supplied, "tags": ["a"]}).json()
    path = f"/consumers/bob/key-auth/{created['id']}"
    dumped = admin.get(path).json()
    assert admin.put(path, json=dumped).json() == dumped
    assert admin.patch(path, json={"tags": ["b"]}).json() == {**dumped, "tags": ["b"]}
    assert admin.get(path).json()["key"] == dumped["key"]
    # Deleted and restored from the dump it opens the same door.
    admin.delete(path)
    assert admin.put(path, json=dumped).json() == dumped
    assert admin.get(f"/key-auths/{dumped['key']}").json()["id"] == created["id"]
    assert admin.get(f"/key-auths/{created['key']}").json()["id"] == created["id"]


def test_reference_to_a_supplied_key_keeps_it_readable(admin: TestClient) -> None:
    key = "a-key-that-was-supplied"
    created = admin.post("/consumers/bob/key-auth", json={"key": key}).json()
    reference = str(KeyVault(derive_keys(SECRET)).reference(key))
    put = admin.put(f"/key-auths/{created['id']}", json={"key": reference, "consumer": {"username": "bob"}})
    assert put.json()["key"] == key


@pytest.mark.parametrize(
    ("key", "problem"),
    [
        ("{tollway-hash:00000000:" + "0" * 64 + ":abcd}", "another secret"),
        ("{tollway-hash:broken}", "copy it whole"),
        ("with space", "visible ASCII"),
        ("schlüssel", "visible ASCII"),
        ("x" * 513, "length must be at most 512"),
    ],
)
def test_keys_that_are_refused(admin: TestClient, key: str, problem: str) -> None:
    answer = admin.post("/consumers/bob/key-auth", json={"key": key})
    assert answer.status_code == 400
    assert problem in answer.json()["fields"]["key"]
    assert admin.get("/key-auths").json()["data"] == []


def test_key_of_another_consumer_is_taken(admin: TestClient) -> None:
    admin.post("/consumers", json={"username": "eve"})
    admin.post("/consumers/bob/key-auth", json={"key": "the-same-key"})
    answer = admin.post("/consumers/eve/key-auth", json={"key": "the-same-key"})
    assert answer.status_code == 409
    assert answer.json()["message"] == "UNIQUE violation detected on '{key=\"the-same-key\"}'"


def test_key_takes_its_consumers_mode(admin: TestClient, store: GatewayStore) -> None:
    with store.write() as gateway:
        consumer = gateway.consumers.get("bob")
        gateway.consumers.attribute(consumer.id, Attribution(customer_id=None, phase_id=None, mode=Mode.TEST))
    key = admin.post("/consumers/bob/key-auth").json()["key"]
    assert re.match("tollway_test_", key)
    # Kong's API knows nothing of modes and leaves them alone.
    assert admin.put("/consumers/bob", json={"custom_id": "x"}).status_code == 200
    with store.read() as gateway:
        assert gateway.consumers.get("bob").attribution.mode is Mode.TEST


def test_short_key_does_not_show_its_end(admin: TestClient, database: Database) -> None:
    admin.post("/consumers/bob/key-auth", json={"key": "short"})
    with database.read() as connection:
        assert connection.execute(text("SELECT last_four FROM key_auth_credential")).scalar_one() == "****"


def test_key_with_a_ttl_shows_what_is_left_and_then_is_gone(
    admin: TestClient, current: Current, database: Database
) -> None:
    clock = ManualClock(datetime(2026, 11, 22, 12, 0, tzinfo=UTC))
    current.store = store = open_store(database, clock=clock)
    made = admin.post("/consumers/bob/key-auth", json={"key": "the-ending-key", "ttl": 60}).json()
    assert made["ttl"] == 60
    clock.advance(timedelta(seconds=20))
    assert admin.get(f"/key-auths/{made['id']}").json()["ttl"] == 40
    # A change of something else, and an echo, leave the end where it is.
    admin.patch(f"/key-auths/{made['id']}", json={"tags": ["ci"]})
    admin.patch(f"/key-auths/{made['id']}", json={"ttl": 41})
    with store.read() as gateway:
        (key,) = gateway.key_auths.repository.all()
    assert key.expires_at == datetime(2026, 11, 22, 12, 1, tzinfo=UTC)
    clock.advance(timedelta(seconds=40))
    assert admin.get(f"/key-auths/{made['id']}").status_code == 404
    # Its text may be used anew, before anything was purged.
    again = admin.post("/consumers/bob/key-auth", json={"key": "the-ending-key"})
    assert (again.status_code, again.json()["ttl"]) == (201, None)


@pytest.mark.parametrize(("given", "shown"), [({"ttl": 0}, None), ({"ttl": None}, None), ({"ttl": 5}, 5)])
def test_ttl_can_be_taken_away_and_moved(admin: TestClient, given: dict[str, Any], shown: int | None) -> None:
    made = admin.post("/consumers/bob/key-auth", json={"ttl": 3600}).json()
    assert admin.patch(f"/key-auths/{made['id']}", json=given).json()["ttl"] == shown


@pytest.mark.parametrize("ttl", [-1, 100_000_001, "soon"])
def test_ttl_out_of_range_is_refused(admin: TestClient, ttl: Any) -> None:
    answer = admin.post("/consumers/bob/key-auth", json={"ttl": ttl})
    assert (answer.status_code, list(answer.json()["fields"])) == (400, ["ttl"])


def test_rotation_gives_a_successor_once(admin: TestClient, database: Database) -> None:
    admin.post("/consumers/bob/key-auth", json={"key": "the-old-key", "tags": ["ci"]})
    clock = ManualClock(datetime(2026, 11, 22, 12, 0, tzinfo=UTC))
    store = open_store(database, clock=clock)
    with store.write() as gateway:
        old = gateway.key_auths.get("the-old-key")
        rotation = gateway.key_auths.rotate(old.id, timedelta(days=7))
        assert gateway.key_auths.reveal(rotation.new).startswith("tollway_live_")
    assert rotation.old.expires_at == clock.now() + timedelta(days=7)
    assert rotation.new.expires_at is None
    assert (rotation.new.consumer_id, rotation.new.tags) == (old.consumer_id, ("ci",))
    with store.write() as gateway, pytest.raises(KeyEnds, match="2026-11-29T12:00:00Z"):
        gateway.key_auths.rotate(old.id, timedelta(days=7))
    with store.write() as gateway, pytest.raises(SchemaViolation, match="between 0 and 2592000"):
        gateway.key_auths.rotate(rotation.new.id, timedelta(days=30, microseconds=1))
    clock.advance(timedelta(days=7, minutes=1))
    with store.write() as gateway:
        assert gateway.key_auths.purge(10) == 0  # not a moment more than the minute that clocks may differ
    clock.advance(timedelta(microseconds=1))
    with store.write() as gateway:
        assert gateway.key_auths.purge(10) == 1
        assert [key.id for key in gateway.key_auths.repository.all()] == [rotation.new.id]
