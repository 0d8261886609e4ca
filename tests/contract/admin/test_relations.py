"""What goes with what: deletes, groups, and references by name."""

from __future__ import annotations

from typing import Any

import pytest
from starlette.testclient import TestClient


def _post(admin: TestClient, path: str, document: dict[str, Any]) -> dict[str, Any]:
    answer = admin.post(path, json=document)
    assert answer.status_code == 201, answer.text
    body: dict[str, Any] = answer.json()
    return body


def _count(admin: TestClient, path: str) -> int:
    return len(admin.get(path).json()["data"])


def test_service_with_routes_stays_and_its_plugins_go_with_it(admin: TestClient) -> None:
    service = _post(admin, "/services", {"name": "up", "host": "up.test"})
    route = _post(admin, "/services/up/routes", {"name": "way", "paths": ["/"]})
    _post(admin, "/services/up/plugins", {"name": "key-auth"})
    _post(admin, "/routes/way/plugins", {"name": "key-auth"})
    refused = admin.delete("/services/up")
    assert refused.status_code == 400
    assert refused.json() == {
        "message": "an existing 'routes' entity references this 'services' entity",
        "name": "foreign key violation",
        "code": 4,
        "fields": {"@referenced_by": "routes"},
    }
    assert _count(admin, "/plugins") == 2
    assert route["service"] == {"id": service["id"]}
    assert admin.delete("/routes/way").status_code == 204
    assert _count(admin, "/plugins") == 1
    assert admin.delete("/services/up").status_code == 204
    assert _count(admin, "/plugins") == 0


def test_upstream_takes_its_targets_with_it(admin: TestClient) -> None:
    pool = _post(admin, "/upstreams", {"name": "pool"})
    target = _post(admin, "/upstreams/pool/targets", {"target": "10.0.0.1:80"})
    assert target["upstream"] == {"id": pool["id"]}
    _post(admin, "/upstreams", {"name": "other"})
    elsewhere = f"/upstreams/other/targets/{target['id']}"
    assert admin.get(elsewhere).status_code == 404
    assert admin.delete(elsewhere).status_code == 204
    assert admin.get(f"/upstreams/pool/targets/{target['id']}").json() == target
    assert admin.get("/upstreams/nobody/targets").status_code == 404
    assert admin.get("/targets").status_code == 404
    assert admin.delete("/upstreams/pool").status_code == 204
    _post(admin, "/upstreams", {"name": "pool", "id": pool["id"]})
    assert admin.get("/upstreams/pool/targets").json()["data"] == []


def test_consumer_takes_all_it_has_with_it(admin: TestClient) -> None:
    _post(admin, "/consumers", {"username": "bob"})
    _post(admin, "/consumer_groups", {"name": "gold"})
    _post(admin, "/consumers/bob/key-auth", {})
    _post(admin, "/consumers/bob/acls", {"group": "readers"})
    _post(admin, "/consumers/bob/plugins", {"name": "rate-limiting", "config": {"minute": 1}})
    _post(admin, "/consumer_groups/gold/consumers", {"consumer": "bob"})
    assert admin.delete("/consumers/bob").status_code == 204
    assert [_count(admin, path) for path in ("/key-auths", "/acls", "/plugins")] == [0, 0, 0]
    assert admin.get("/consumer_groups/gold").json()["consumers"] == []


def test_group_takes_its_plugins_and_leaves_its_consumers(admin: TestClient) -> None:
    _post(admin, "/consumers", {"username": "bob"})
    _post(admin, "/consumer_groups", {"name": "gold"})
    _post(admin, "/consumer_groups/gold/plugins", {"name": "rate-limiting", "config": {"minute": 1}})
    _post(admin, "/consumers/bob/consumer_groups", {"group": "gold"})
    assert admin.delete("/consumer_groups/gold").status_code == 204
    assert _count(admin, "/plugins") == 0
    assert admin.get("/consumers/bob/consumer_groups").json() == {"consumer_groups": []}


@pytest.mark.parametrize("given", [{"consumer": "bob"}, {"consumer": ["bob", "eve"]}])
def test_members_of_a_group(admin: TestClient, given: dict[str, Any]) -> None:
    for name in ("bob", "eve"):
        _post(admin, "/consumers", {"username": name})
    _post(admin, "/consumer_groups", {"name": "gold"})
    added = _post(admin, "/consumer_groups/gold/consumers", given)
    assert added["consumer_group"]["name"] == "gold"
    assert "bob" in {consumer["username"] for consumer in added["consumers"]}
    assert admin.post("/consumer_groups/gold/consumers", json=given).status_code == 201  # again is the same
    members = admin.get("/consumer_groups/gold/consumers").json()["consumers"]
    assert len(members) == len(added["consumers"])
    assert admin.get("/consumer_groups/gold/consumers/bob").json()["consumer"]["username"] == "bob"
    assert admin.get("/consumer_groups/gold?list_consumers=false").json().keys() == {"consumer_group"}
    assert admin.get("/consumers/bob/consumer_groups/gold").json()["consumer_group"]["name"] == "gold"
    for _ in range(2):
        assert admin.delete("/consumer_groups/gold/consumers/bob").status_code == 204
    assert admin.get("/consumer_groups/gold/consumers/bob").status_code == 404
    assert admin.delete("/consumer_groups/gold/consumers").status_code == 204
    assert admin.get("/consumer_groups/gold/consumers").json() == {"consumers": []}


def test_groups_of_a_consumer_by_form(admin: TestClient) -> None:
    _post(admin, "/consumers", {"username": "bob"})
    for name in ("gold", "blue"):
        _post(admin, "/consumer_groups", {"name": name})
    joined = admin.post("/consumers/bob/consumer_groups", data={"group[]": ["gold", "blue"]})
    assert joined.status_code == 201
    assert [group["name"] for group in joined.json()["consumer_groups"]] == ["blue", "gold"]
    assert admin.delete("/consumers/bob/consumer_groups/gold").status_code == 204
    assert admin.delete("/consumers/bob/consumer_groups").status_code == 204
    assert admin.get("/consumers/bob/consumer_groups").json() == {"consumer_groups": []}


@pytest.mark.parametrize(
    ("given", "fields"),
    [
        ({}, {"consumer": "required field missing"}),
        ({"consumer": []}, {"consumer": "required field missing"}),
        ({"consumer": ["bob", 5]}, {"consumer": "required field missing"}),
        ({"consumer": ["bob", "nobody"]}, {"consumer": "no consumer named 'nobody'"}),
        ({"consumer": "bob", "x": 1}, {"x": "unknown field"}),
    ],
)
def test_member_that_is_none_changes_nothing(
    admin: TestClient, given: dict[str, Any], fields: dict[str, str]
) -> None:
    _post(admin, "/consumers", {"username": "bob"})
    _post(admin, "/consumer_groups", {"name": "gold"})
    answer = admin.post("/consumer_groups/gold/consumers", json=given)
    assert (answer.status_code, answer.json()["fields"]) == (400, fields)
    assert admin.get("/consumer_groups/gold/consumers").json() == {"consumers": []}


def test_plugin_exists_once_in_each_scope(admin: TestClient) -> None:
    _post(admin, "/services", {"name": "up", "host": "up.test"})
    _post(admin, "/plugins", {"name": "key-auth"})
    _post(admin, "/services/up/plugins", {"name": "key-auth"})
    again = admin.post("/plugins", json={"name": "key-auth"})
    assert again.status_code == 409
    assert again.json()["message"] == (
        "UNIQUE violation detected on "
        "'{consumer=null,consumer_group=null,name=\"key-auth\",route=null,service=null}'"
    )


def test_reference_by_id_with_name_as_deck_sends_it(admin: TestClient) -> None:
    bob = _post(admin, "/consumers", {"username": "bob"})
    reference = {"id": bob["id"], "username": "bob"}
    acl = _post(admin, "/acls", {"group": "a", "consumer": reference})
    assert acl["consumer"] == {"id": bob["id"]}
    answer = admin.post("/acls", json={"group": "b", "consumer": {**reference, "nick": "b"}})
    assert answer.json()["fields"] == {"consumer": {"nick": "unknown field"}}


def test_other_end_of_a_foreign_key(admin: TestClient) -> None:
    up = _post(admin, "/services", {"name": "up", "host": "up.test"})
    route = _post(admin, "/services/up/routes", {"paths": ["/"]})
    alone = _post(admin, "/routes", {"paths": ["/alone"]})
    path = f"/routes/{route['id']}/service"
    assert admin.get(path).json() == up
    assert admin.patch(path, json={"retries": 1}).json()["retries"] == 1
    assert admin.put(path, json={"name": "up", "host": "other.test"}).json()["id"] == up["id"]
    assert admin.get(f"/routes/{alone['id']}/service").status_code == 404
    assert admin.delete(path).status_code == 405
