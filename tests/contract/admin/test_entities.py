"""One behaviour suite for every kind of entity."""

from __future__ import annotations

from typing import Any
from uuid import uuid4

import pytest
from starlette.testclient import TestClient

from tests.contract.admin.kinds import KINDS, OWNER, PARENTS, STRANGERS, Kind


def _each(kinds: list[Kind]) -> pytest.MarkDecorator:
    return pytest.mark.parametrize("kind", kinds, ids=lambda kind: kind.path)


every_kind = _each(KINDS)
every_named = _each([kind for kind in KINDS if kind.key not in (None, "key")])
every_unique = _each([kind for kind in KINDS if kind.unique])
every_dependent = _each([kind for kind in KINDS if kind.foreign])
every_nested = _each([kind for kind in KINDS if kind.below])

UNKNOWN = "11111111-2222-4333-8444-555555555555"


@pytest.fixture(autouse=True)
def parents(admin: TestClient) -> None:
    for path, document in PARENTS.items():
        assert admin.post(f"/{path}", json=dict(document)).status_code == 201


def _mine(admin: TestClient, kind: Kind) -> list[dict[str, Any]]:
    data = admin.get(f"/{kind.path}").json()["data"]
    theirs = {"up", "bob", "pool", "owner.test"}
    return [
        item for item in data if item["id"] != OWNER and item.get("name", item.get("username")) not in theirs
    ]


@every_kind
def test_created_entity_has_defaults_and_is_found(admin: TestClient, kind: Kind) -> None:
    created = kind.create(admin, kind.first)
    assert created.items() >= kind.defaults.items()
    assert isinstance(created["created_at"], int)
    # A group is shown with its consumers, as decK expects it.
    group = {"consumer_group": created, "consumers": []}
    shown = group if kind.path == "consumer_groups" else created
    assert admin.get(f"/{kind.path}/{created['id']}").json() == shown
    if kind.key:
        assert admin.get(f"/{kind.path}/{created[kind.key]}").json() == shown
    assert _mine(admin, kind) == [created]


@every_kind
def test_form_and_json_mean_the_same(admin: TestClient, kind: Kind) -> None:
    form: dict[str, Any] = {}

    def flatten(prefix: str, value: Any) -> None:
        if isinstance(value, dict):
            for name, part in value.items():
                flatten(f"{prefix}.{name}" if prefix else name, part)
        elif isinstance(value, list):
            form[f"{prefix}[]"] = value
        else:
            form[prefix] = str(value).lower() if isinstance(value, bool) else str(value)

    flatten("", kind.second)
    posted = admin.post(f"/{kind.path}", data=form)
    assert posted.status_code == 201, posted.text
    admin.delete(f"/{kind.path}/{posted.json()['id']}")
    multipart = admin.post(f"/{kind.path}", files=[(k, (None, v)) for k, v in _pairs(form)])
    assert multipart.status_code == 201, multipart.text
    admin.delete(f"/{kind.path}/{multipart.json()['id']}")
    created = kind.create(admin, kind.second)
    volatile = {"id", "created_at", "updated_at"}
    for other in (posted.json(), multipart.json()):
        assert {k: v for k, v in other.items() if k not in volatile} == {
            k: v for k, v in created.items() if k not in volatile
        }


def _pairs(form: dict[str, Any]) -> list[tuple[str, str]]:
    return [
        (name, part)
        for name, value in form.items()
        for part in (value if isinstance(value, list) else [value])
    ]


@every_kind
def test_pages_add_up(admin: TestClient, kind: Kind) -> None:
    for document in (kind.first, kind.second, kind.third):
        kind.create(admin, document)
    whole = admin.get(f"/{kind.path}").json()
    assert whole["next"] is None
    assert "offset" not in whole
    collected: list[Any] = []
    path: str | None = f"/{kind.path}?size=1"
    offsets = set()
    while path:
        page = admin.get(path).json()
        collected += page["data"]
        assert len(page["data"]) == 1
        offsets.add(page.get("offset"))
        path = page["next"]
        assert path is None or path.startswith(f"/{kind.path}?")
    assert collected == whole["data"]
    assert len(offsets) == len(collected)


@every_kind
def test_put_creates_replaces_and_repeats(admin: TestClient, kind: Kind) -> None:
    chosen = str(uuid4())
    path = f"/{kind.path}/{chosen}"
    created = admin.put(path, json=dict(kind.first))
    assert created.status_code == 200, created.text
    assert created.json()["id"] == chosen
    again = admin.put(path, json=created.json())  # what was read can be written back
    assert again.status_code == 200, again.text
    assert _timeless(again.json()) == _timeless(created.json())
    assert again.json()["created_at"] == created.json()["created_at"]
    admin.patch(path, json=dict(kind.change))
    replaced = admin.put(path, json=dict(kind.first))
    assert _timeless(replaced.json()) == _timeless(created.json())
    assert len(_mine(admin, kind)) == 1


@every_named
def test_put_by_name_is_an_upsert(admin: TestClient, kind: Kind) -> None:
    rest = {name: value for name, value in kind.first.items() if name != kind.key}
    created = admin.put(f"/{kind.path}/{kind.chosen}", json=rest)
    assert created.status_code == 200, created.text
    assert created.json()[kind.key] == kind.chosen
    again = admin.put(f"/{kind.path}/{kind.chosen}", json=rest)
    assert again.json()["id"] == created.json()["id"]


@every_kind
def test_patch_changes_what_it_names(admin: TestClient, kind: Kind) -> None:
    created = kind.create(admin, kind.first)
    path = f"/{kind.path}/{created['id']}"
    changed = admin.patch(path, json=dict(kind.change))
    assert changed.status_code == 200, changed.text
    assert _timeless(changed.json()) == _timeless(created) | dict(kind.change)
    assert admin.patch(path, json={}).status_code == 200
    assert admin.patch(f"/{kind.path}/{UNKNOWN}", json=dict(kind.change)).status_code == 404
    moved = admin.patch(path, json={"id": UNKNOWN})
    assert moved.status_code == 400
    assert moved.json()["fields"] == {"id": "immutable field cannot be updated"}


@every_kind
def test_delete_is_idempotent(admin: TestClient, kind: Kind) -> None:
    created = kind.create(admin, kind.first)
    path = f"/{kind.path}/{created['id']}"
    assert [admin.delete(path).status_code for _ in range(2)] == [204, 204]
    missing = admin.get(path)
    assert (missing.status_code, missing.json()) == (404, {"message": "Not found"})
    assert _mine(admin, kind) == []


@every_kind
def test_tags_filter(admin: TestClient, kind: Kind) -> None:
    for document, tags in ((kind.first, ["a", "b"]), (kind.second, ["b"]), (kind.third, None)):
        kind.create(admin, {**document, "tags": tags})

    def count(query: str) -> int:
        return len(admin.get(f"/{kind.path}?tags={query}").json()["data"])

    assert [count("a,b"), count("a/b"), count("b"), count("c")] == [1, 2, 2, 0]
    mixed = admin.get(f"/{kind.path}?tags=a,b/c")
    assert (mixed.status_code, mixed.json()["code"]) == (400, 11)
    entities = {tag["entity_id"] for tag in admin.get("/tags/b").json()["data"]}
    assert len(entities) == 2


@every_kind
def test_unknown_field_and_wrong_type(admin: TestClient, kind: Kind) -> None:
    unknown = admin.post(f"/{kind.path}", json={**kind.first, "foo": 1})
    assert unknown.status_code == 400
    assert unknown.json() == {
        "message": "schema violation (foo: unknown field)",
        "name": "schema violation",
        "code": 2,
        "fields": {"foo": "unknown field"},
    }
    wrong = admin.post(f"/{kind.path}", json={**kind.first, **kind.wrong})
    assert wrong.status_code == 400
    assert wrong.json()["message"] == f"schema violation ({kind.wrong_text})"
    both = admin.post(f"/{kind.path}", json={**kind.first, **kind.wrong, "foo": 1})
    assert both.json()["message"].startswith("2 schema violations (")
    assert _mine(admin, kind) == []


@every_unique
def test_unique_values(admin: TestClient, kind: Kind) -> None:
    first = kind.create(admin, kind.first)
    assert kind.unique is not None
    second = admin.post(f"/{kind.path}", json={**kind.second, kind.unique: kind.first[kind.unique]})
    assert second.status_code == 409
    assert second.json()["code"] == 5
    assert second.json()["name"] == "unique constraint violation"
    assert f'{kind.unique}="{kind.first[kind.unique]}"' in second.json()["message"]
    other = kind.create(admin, kind.second)
    path = f"/{kind.path}/{other['id']}"
    for method in ("PATCH", "PUT"):
        answer = admin.request(method, path, json={**kind.second, kind.unique: first[kind.unique]})
        assert answer.status_code == 409, answer.text


@every_kind
def test_id_that_is_taken(admin: TestClient, kind: Kind) -> None:
    created = kind.create(admin, kind.first)
    answer = admin.post(f"/{kind.path}", json={**kind.second, "id": created["id"]})
    assert answer.status_code == 400
    assert answer.json() == {
        "message": f"primary key violation on key '{{id=\"{created['id']}\"}}'",
        "name": "primary key violation",
        "code": 3,
        "fields": {"id": created["id"]},
    }


@every_dependent
def test_foreign_key_that_leads_nowhere(admin: TestClient, kind: Kind) -> None:
    assert kind.foreign is not None
    reference = f"{kind.foreign.removeprefix('client_')}s"
    answer = admin.post(f"/{kind.path}", json={**kind.first, kind.foreign: {"id": UNKNOWN}})
    assert answer.status_code == 400
    assert answer.json() == {
        "message": f"the foreign key '{{id=\"{UNKNOWN}\"}}' does not reference an existing "
        f"'{reference}' entity.",
        "name": "foreign key violation",
        "code": 4,
        "fields": {kind.foreign: {"id": UNKNOWN}},
    }


@every_kind
def test_requests_that_are_no_requests(admin: TestClient, kind: Kind) -> None:
    path = f"/{kind.path}"
    offset = admin.get(path, params={"offset": "?!"})
    assert (offset.status_code, offset.json()["code"]) == (400, 7)
    assert "is not a valid offset" in offset.json()["message"]
    for size in ("0", "1001", "x", "-1", ""):
        answer = admin.get(path, params={"size": size})
        assert (answer.status_code, answer.json()["code"]) == (400, 11)
    for method in ("DELETE", "PUT", "PATCH"):
        answer = admin.request(method, path)
        assert (answer.status_code, answer.json()) == (405, {"message": "Method not allowed"})
        assert {"GET", "POST"} <= set(answer.headers["allow"].split(", "))
    assert admin.post(f"{path}/{UNKNOWN}").status_code == 405
    assert admin.options(path).status_code == 204
    assert admin.head(path).status_code == 200
    text = admin.post(path, content="x", headers={"content-type": "text/plain"})
    assert text.status_code == 415
    for broken in ("{", "[]", "null", '{"a": NaN}', "[" * 100_000, ""):
        answer = admin.post(path, content=broken, headers={"content-type": "application/json"})
        assert (answer.status_code, answer.json()) == (400, {"message": "Cannot parse JSON body"})
    assert admin.get(f"{path}/").status_code == 200


@every_nested
def test_below_its_parent(admin: TestClient, kind: Kind) -> None:
    assert kind.below is not None
    parent, segment, field = kind.below
    document = {name: value for name, value in kind.second.items() if name != field}
    path = f"{parent}/{segment}"
    created = admin.post(path, json=document)
    assert created.status_code == 201, created.text
    assert created.json()[field] is not None
    item = f"{path}/{created.json()['id']}"
    assert admin.get(item).json() == created.json()
    assert created.json() in admin.get(path).json()["data"]
    owner = admin.get(f"/{kind.path}/{created.json()['id']}/{field}")
    assert owner.json()["id"] == created.json()[field]["id"]
    assert admin.patch(item, json=dict(kind.change)).status_code == 200
    put = admin.put(f"{path}/{uuid4()}", json={n: v for n, v in kind.third.items() if n != field})
    assert put.status_code == 200, put.text
    assert put.json()[field] == created.json()[field]
    # An entity of another parent doesn't exist here.
    collection = parent.split("/")[1]
    assert admin.post(f"/{collection}", json=dict(STRANGERS[collection])).status_code == 201
    foreign = f"{parent.rsplit('/', 1)[0]}/eve/{segment}"
    assert created.json() not in admin.get(foreign).json()["data"]
    assert admin.get(f"{foreign}/{created.json()['id']}").status_code == 404
    assert admin.delete(f"{foreign}/{created.json()['id']}").status_code == 204
    assert admin.get(item).status_code == 200
    assert [admin.delete(item).status_code for _ in range(2)] == [204, 204]
    for method in ("GET", "POST"):
        answer = admin.request(method, f"{parent.rsplit('/', 1)[0]}/nobody/{segment}", json={})
        assert (answer.status_code, answer.json()) == (404, {"message": "Not found"})


def _timeless(document: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in document.items() if name != "updated_at"}


@every_named
def test_a_name_that_a_database_cannot_hold_is_nobodys(admin: TestClient, kind: Kind) -> None:
    # PostgreSQL takes no NUL in a text; SQLite does, and finds none.
    assert admin.get(f"/{kind.path}/a%00b").status_code in {400, 404}
