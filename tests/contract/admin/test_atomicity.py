"""Whatever goes wrong, nothing is half written: neither an entity nor a version nor a change."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from sqlalchemy import select
from starlette.testclient import TestClient

from tests.support.gateway import Engine
from tollway.gateway.models import Attribution
from tollway.gateway.service import Gateway
from tollway.kernel.errors import InvalidInput
from tollway.kernel.mode import Mode
from tollway.storage.database import MAIN, Database
from tollway.storage.gateway import GatewayStore

UNKNOWN = "11111111-2222-4333-8444-555555555555"


@pytest.fixture
def furnished(admin: TestClient) -> TestClient:
    admin.post("/services", json={"name": "up", "host": "up.test"})
    admin.post("/services/up/routes", json={"name": "way", "paths": ["/"]})
    admin.post("/consumers", json={"username": "bob", "custom_id": "b"})
    admin.post("/consumers/bob/key-auth", json={"key": "key-of-bob-1"})
    admin.post("/consumer_groups", json={"name": "gold"})
    admin.post("/plugins", json={"name": "key-auth"})
    return admin


def _everything(database: Database) -> dict[str, list[Any]]:
    with database.read() as connection:
        return {
            name: sorted(map(repr, connection.execute(select(table)))) for name, table in MAIN.tables.items()
        }


FAULTS: list[tuple[str, str, Any]] = [
    ("POST", "/services", {"name": "up", "host": "other.test"}),
    ("POST", "/services", {"host": "a", "x": 1}),
    ("DELETE", "/services/up", None),
    ("POST", "/services/up/routes", {}),
    ("PATCH", "/routes/way", {"service": {"id": UNKNOWN}}),
    ("PUT", "/routes/way", {"paths": []}),
    ("PUT", f"/consumers/{UNKNOWN}", {"username": "eve", "custom_id": "b"}),
    ("POST", "/consumers/bob/key-auth", {"key": "key-of-bob-1"}),
    ("POST", "/consumer_groups/gold/consumers", {"consumer": ["bob", "nobody"]}),
    ("POST", "/plugins", {"name": "key-auth"}),
    ("PATCH", "/consumers/nobody", {"custom_id": "x"}),
]


@pytest.mark.parametrize(("method", "path", "document"), FAULTS)
def test_refused_request_leaves_no_trace(
    furnished: TestClient, database: Database, method: str, path: str, document: Any
) -> None:
    before = _everything(database)
    assert furnished.request(method, path, json=document).status_code in (400, 404, 409)
    assert _everything(database) == before


CHANGES: list[tuple[str, str, Any]] = [
    ("POST", "/services", {"name": "new", "host": "new.test"}),
    ("PUT", "/routes/way", {"paths": ["/other"]}),
    ("DELETE", "/routes/way", None),
    ("POST", "/consumers", {"username": "eve"}),
    ("POST", "/consumers/bob/acls", {"group": "a"}),
    ("POST", "/consumers/bob/plugins", {"name": "rate-limiting", "config": {"minute": 1}}),
    ("POST", "/consumer_groups/gold/consumers", {"consumer": "bob"}),
]


@pytest.mark.parametrize("change", CHANGES, ids=lambda change: f"{change[0]} {change[1]}")
def test_what_the_engine_refuses_is_not_stored(
    furnished: TestClient, database: Database, engine: Engine, change: tuple[str, str, Any]
) -> None:
    method, path, document = change

    def refuse() -> None:
        raise InvalidInput("routes[0].paths[1]", "not a pattern", "close the group")

    engine.refuse = refuse
    before = _everything(database)
    answer = furnished.request(method, path, json=document)
    assert answer.status_code == 400
    assert answer.json() == {
        "message": "schema violation (paths.2: not a pattern; close the group)",
        "name": "schema violation",
        "code": 2,
        "fields": {"paths": [None, "not a pattern; close the group"]},
    }
    assert _everything(database) == before


@pytest.mark.parametrize(
    ("location", "fields"),
    [
        ("plugin rate-limiting config.minute", {"config": {"minute": "odd"}}),
        ("consumers[3].username", {"username": "odd"}),
        ("[3].plugins[0].name", {"plugins": [{"name": "odd"}]}),
        ("routes[0].headers.x-a[1]", {"headers": {"x-a": [None, "odd"]}}),
        ("plugin acl", {"@entity": ["odd"]}),
        ("", {"@entity": ["odd"]}),
    ],
)
def test_place_of_a_refusal(
    furnished: TestClient, engine: Engine, location: str, fields: dict[str, Any]
) -> None:
    def refuse() -> None:
        raise InvalidInput(location, "odd")

    engine.refuse = refuse
    answer = furnished.post("/services", json={"host": "a.test"})
    assert (answer.status_code, answer.json()["fields"]) == (400, fields)


def test_crash_between_writes_undoes_all_of_them(furnished: TestClient, store: GatewayStore) -> None:
    before = _everything(store.database)

    def several(gateway: Gateway) -> None:
        bob = gateway.consumers.get("bob")
        gold = gateway.consumer_groups.get("gold")
        gateway.consumer_groups.add(gold.id, bob.id)
        gateway.consumers.attribute(bob.id, Attribution(customer_id=bob.id, phase_id=None, mode=Mode.LIVE))
        gateway.consumers.delete("bob")
        raise ZeroDivisionError

    _expect(ZeroDivisionError, store, several)
    assert furnished.get("/consumers/bob").status_code == 200
    assert _everything(store.database) == before


def test_engine_that_breaks_is_a_500_and_stores_nothing(
    furnished: TestClient, database: Database, engine: Engine
) -> None:
    def refuse() -> None:
        raise RuntimeError("the engine broke")

    engine.refuse = refuse
    before = _everything(database)
    answer = furnished.post("/services", json={"host": "a.test"})
    assert (answer.status_code, answer.json()) == (500, {"message": "An unexpected error occurred"})
    assert _everything(database) == before


def test_base_is_compiled_only_when_it_changed(furnished: TestClient, engine: Engine) -> None:
    compiled = len(engine.bases)
    furnished.post("/consumers", json={"username": "eve"})
    furnished.post("/consumers/eve/key-auth")
    assert len(engine.bases) == compiled
    furnished.post("/services", json={"host": "a.test"})
    assert len(engine.bases) == compiled + 1


def _expect(error: type[Exception], store: GatewayStore, action: Callable[[Gateway], None]) -> None:
    with pytest.raises(error), store.write() as gateway:
        action(gateway)
