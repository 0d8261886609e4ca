"""How targets are, as gateways tell it, and what an operator says of one."""

from __future__ import annotations

from typing import Any
from uuid import UUID

import pytest
from starlette.testclient import TestClient

from tests.support.gateway import NoGateways, open_store
from tollway.contracts.configuration import HealthWord, UpstreamHealth
from tollway.storage.database import Database
from tollway.web.admin import create_admin_app

pytestmark = pytest.mark.one_database


class Gateways(NoGateways):
    """Gateways that say what the test wants, and hear what the operator says."""

    def __init__(self) -> None:
        self.found: list[UpstreamHealth] = []
        self.heard: list[tuple[UUID, UUID, str | None, bool]] = []

    def health(self, upstream: UUID) -> list[UpstreamHealth]:
        return [one for one in self.found if one.id == upstream]

    def set_health(self, upstream: UUID, target: UUID, address: str | None, *, healthy: bool) -> None:
        self.heard.append((upstream, target, address, healthy))

    def tell(self, upstream: dict[str, Any], target: dict[str, Any], *words: HealthWord) -> None:
        """One gateway's view: a word for each address of the target, the last one for all of it."""
        addresses = [
            {"ip": f"10.0.0.{place}", "port": 80, "weight": 100, "health": word}
            for place, word in enumerate(words[:-1])
        ]
        found = {"id": target["id"], "health": words[-1], "addresses": addresses}
        document = {"id": upstream["id"], "health": words[-1], "targets": [found]}
        self.found.append(UpstreamHealth.model_validate(document, strict=False))


@pytest.fixture
def gateways() -> Gateways:
    return Gateways()


@pytest.fixture
def client(database: Database, gateways: Gateways) -> TestClient:
    app = create_admin_app(units=open_store(database), gateways=gateways, listen="127.0.0.1:8001")
    client = TestClient(app, base_url="http://localhost:8001")
    client.post("/upstreams", json={"name": "pool"})
    client.post("/upstreams/pool/targets", json={"target": "api.internal:80"})
    return client


@pytest.fixture
def pool(client: TestClient) -> tuple[dict[str, Any], dict[str, Any]]:
    return client.get("/upstreams/pool").json(), client.get("/upstreams/pool/targets/api.internal:80").json()


def test_nobody_looks_where_no_gateway_tells(client: TestClient) -> None:
    body = client.get("/upstreams/pool/health").json()
    assert [one["health"] for one in body["data"]] == ["HEALTHCHECKS_OFF"]
    assert body["next"] is None
    assert client.get("/upstreams/nobody/health").status_code == 404


def test_worst_of_what_gateways_find(
    client: TestClient, gateways: Gateways, pool: tuple[dict[str, Any], dict[str, Any]]
) -> None:
    gateways.tell(*pool, "HEALTHY", "HEALTHY", "HEALTHY")
    gateways.tell(*pool, "HEALTHY", "UNHEALTHY", "HEALTHY")
    (found,) = client.get("/upstreams/pool/health").json()["data"]
    assert found.items() >= pool[1].items()
    assert found["health"] == "HEALTHY"
    assert found["data"] == {
        "host": "api.internal",
        "port": 80,
        "nodeWeight": 100,
        "weight": {"total": 200, "available": 100, "unavailable": 100},
        "addresses": [
            {"ip": "10.0.0.0", "port": 80, "weight": 100, "health": "HEALTHY"},
            {"ip": "10.0.0.1", "port": 80, "weight": 100, "health": "UNHEALTHY"},
        ],
    }
    gateways.tell(*pool, "DNS_ERROR")
    assert client.get("/upstreams/pool/health").json()["data"][0]["health"] == "DNS_ERROR"
    gateways.tell(*pool, "UNHEALTHY")
    whole = client.get("/upstreams/pool/health?balancer_health=1").json()
    assert whole["data"] == {"id": pool[0]["id"], "health": "UNHEALTHY"}


@pytest.mark.parametrize("method", ["PUT", "POST"])
@pytest.mark.parametrize(
    ("address", "told"),
    [
        ("", None),
        ("/10.0.0.7", "10.0.0.7:80"),
        ("/10.0.0.7:8080", "10.0.0.7:8080"),
        ("/[2001:db8::7]:8080", "[2001:db8::7]:8080"),
        ("/2001:db8::7", "[2001:db8::7]:80"),
    ],
)
def test_operators_word(
    client: TestClient, gateways: Gateways, method: str, address: str, told: str | None
) -> None:
    shown = client.get("/upstreams/pool/targets/api.internal:80").json()
    upstream, target = UUID(shown["upstream"]["id"]), UUID(shown["id"])
    for reference, healthy in ((shown["id"], False), ("api.internal:80", True)):
        word = "healthy" if healthy else "unhealthy"
        answer = client.request(method, f"/upstreams/pool/targets/{reference}{address}/{word}")
        assert (answer.status_code, answer.content) == (204, b"")
    assert gateways.heard == [(upstream, target, told, False), (upstream, target, told, True)]


@pytest.mark.parametrize("path", ["other.internal/healthy", "api.internal:80/somewhere/healthy"])
def test_operators_word_on_what_is_not_there(client: TestClient, gateways: Gateways, path: str) -> None:
    assert client.put(f"/upstreams/pool/targets/{path}").status_code == 404
    assert gateways.heard == []


def test_all_targets_are_the_targets(client: TestClient) -> None:
    listed = client.get("/upstreams/pool/targets").json()
    assert client.get("/upstreams/pool/targets/all").json() == listed
