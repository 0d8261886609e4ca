"""What the server says about itself, and what decK asks for before it does anything."""

from __future__ import annotations

import pytest
from starlette.testclient import TestClient

from tests.support.gateway import NoGateways
from tollway.gateway.ports import GatewayState
from tollway.gateway.schema.catalogue import SCHEMAS
from tollway.gateway.schema.plugins import PLUGINS
from tollway.storage.gateway import GatewayStore
from tollway.web.admin import create_admin_app
from tollway.web.admin.body import BODY_LIMIT


def test_root_is_what_clients_read(admin: TestClient) -> None:
    admin.post("/plugins", json={"name": "key-auth"})
    body = admin.get("/").json()
    assert body["version"] == "3.9.1"
    assert set(body["plugins"]["available_on_server"]) == set(PLUGINS)
    assert body["plugins"]["available_on_server"]["rate-limiting"]["priority"] == 910
    assert body["plugins"]["enabled_in_cluster"] == ["key-auth"]
    assert body["configuration"]["router_flavor"] == "traditional"


def test_every_endpoint_is_listed_and_answers(admin: TestClient) -> None:
    paths = admin.get("/endpoints").json()["data"]
    assert {"/services/{services}/routes/{routes}", "/consumers/{consumers}/key-auth"} <= set(paths)
    for path in paths:
        answer = admin.get(path.replace("{", "").replace("}", ""))
        assert answer.status_code in (200, 404, 405), path


@pytest.mark.parametrize("name", sorted(SCHEMAS))
def test_schemas_of_entities(admin: TestClient, name: str) -> None:
    body = admin.get(f"/schemas/{name}").json()
    fields = {key: value for field in body["fields"] for key, value in field.items()}
    assert fields["id"] == {"type": "string", "auto": True, "uuid": True}
    assert fields["tags"]["type"] == "set"
    assert isinstance(body["entity_checks"], list)


def test_schema_tells_defaults_and_limits(admin: TestClient) -> None:
    listed = admin.get("/schemas/services").json()["fields"]
    fields = {key: value for field in listed for key, value in field.items()}
    assert fields["retries"] == {"type": "integer", "default": 5, "between": [0, 32767]}
    assert fields["created_at"]["timestamp"] is True


@pytest.mark.parametrize("name", sorted(PLUGINS))
def test_schemas_of_plugins(admin: TestClient, name: str) -> None:
    body = admin.get(f"/schemas/plugins/{name}").json()
    fields = {key: value for field in body["fields"] for key, value in field.items()}
    assert fields["config"]["type"] == "record"
    assert fields["config"]["fields"]
    assert fields["protocols"]["default"] == ["grpc", "grpcs", "http", "https"]
    if name != "rate-limiting":
        assert fields["consumer"] == {"type": "foreign", "reference": "consumers", "eq": None}


def test_schemas_that_there_are_not(admin: TestClient) -> None:
    assert admin.get("/schemas/nothing").status_code == 404
    assert admin.get("/schemas/plugins/nothing").json() == {"message": "No plugin named 'nothing'"}
    assert admin.post("/schemas/nothing/validate", json={}).status_code == 404


def test_validation_stores_nothing(admin: TestClient) -> None:
    good = admin.post("/schemas/services/validate", json={"host": "up.test"})
    assert (good.status_code, good.json()) == (200, {"message": "schema validation successful"})
    bad = admin.post("/schemas/services/validate", data={"port": "x"})
    assert (bad.status_code, bad.json()["code"]) == (400, 2)
    plugin = admin.post("/schemas/plugins/validate", data={"name": "rate-limiting", "config.minute": "5"})
    assert plugin.status_code == 200
    assert admin.post("/schemas/plugins/validate", json={"name": "nothing"}).status_code == 400
    assert admin.get("/services").json()["data"] == []


def test_tags_are_listed_in_pages(admin: TestClient) -> None:
    for number in range(3):
        admin.post("/consumers", json={"username": f"c{number}", "tags": ["a", "b"]})
    admin.post("/services", json={"host": "up.test", "tags": ["b"]})
    whole = admin.get("/tags").json()["data"]
    assert [tag["tag"] for tag in whole] == ["a"] * 3 + ["b"] * 4
    assert {tag["entity_name"] for tag in whole} == {"consumers", "services"}
    collected, path = [], "/tags?size=2"
    while path:
        page = admin.get(path).json()
        collected += page["data"]
        path = page["next"]
    assert collected == whole
    for offset in ("x", "W10=", "bnVsbA==", "MQ=="):
        assert admin.get("/tags", params={"offset": offset}).json()["code"] == 7


def test_enabled_plugins_and_status(admin: TestClient) -> None:
    assert admin.get("/plugins/enabled").json() == {
        "enabled_plugins": ["acl", "entitlement", "key-auth", "rate-limiting"]
    }
    status = admin.get("/status").json()
    assert status["database"] == {"reachable": True}
    assert status["tollway"]["gateways"] == []


def test_nowhere(admin: TestClient) -> None:
    for path in ("/nowhere", "/services/x/nowhere", "/docs", "/openapi.json"):
        answer = admin.get(path)
        assert (answer.status_code, answer.json()) == (404, {"message": "Not found"})


def test_body_that_is_too_large(admin: TestClient) -> None:
    answer = admin.post("/consumers", content=b"x" * (BODY_LIMIT + 1))
    assert answer.status_code == 413
    fields = admin.post("/consumers", data={f"f{number}": "1" for number in range(1_001)})
    assert fields.status_code == 400
    binary = admin.post(
        "/consumers",
        content=b"username=%ff",
        headers={"content-type": "application/x-www-form-urlencoded"},
    )
    assert binary.status_code == 400
    multipart = admin.post(
        "/consumers", content=b"--x\r\n", headers={"content-type": "multipart/form-data; boundary=x"}
    )
    assert multipart.status_code == 400
    assert admin.get("/consumers").json()["data"] == []


class Slow(NoGateways):
    """One gateway, which takes its time or refuses."""

    def __init__(self) -> None:
        self.asked: list[int] = []
        self.answer: str | None = None

    def connected(self) -> list[GatewayState]:
        return [GatewayState("ab" * 16, 3, applied=1, rejected=None)]

    def wait_applied(self, version: int, timeout: float) -> str | None:  # noqa: ARG002
        self.asked.append(version)
        return self.answer


def test_waiting_for_gateways(store: GatewayStore) -> None:
    slow = Slow()
    client = TestClient(
        create_admin_app(units=store, gateways=slow, listen="127.0.0.1:8001"),
        base_url="http://localhost:8001",
    )
    plain = client.post("/consumers", data={"username": "a"})
    assert slow.asked == []
    waited = client.post("/consumers?wait=1", data={"username": "b"})
    assert slow.asked == [int(waited.headers["x-tollway-config-version"])]
    assert slow.asked[0] == int(plain.headers["x-tollway-config-version"]) + 1
    slow.answer = "not yet applied after 10 s by gateway abab"
    late = client.delete("/consumers/a?wait=1")
    assert late.status_code == 504
    assert late.json()["message"].endswith("not yet applied after 10 s by gateway abab")
    assert client.get("/consumers/a").status_code == 404  # stored all the same
    assert client.get("/status").json()["tollway"]["gateways"][0]["epoch"] == 3
