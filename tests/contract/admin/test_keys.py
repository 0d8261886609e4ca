"""API keys: what is shown, what is kept, and that what was shown can be sent back."""

from __future__ import annotations

import re

import pytest
from sqlalchemy import text
from starlette.testclient import TestClient

from tests.support.gateway import SECRET
from tollway.gateway.key_format import is_well_formed
from tollway.gateway.models import Attribution
from tollway.gateway.secrets import KeyVault, derive_keys
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


def test_expiring_keys_are_refused_and_not_ignored(admin: TestClient) -> None:
    answer = admin.post("/consumers/bob/key-auth", json={"ttl": 60})
    assert answer.status_code == 400
    assert "not supported" in answer.json()["fields"]["ttl"]
