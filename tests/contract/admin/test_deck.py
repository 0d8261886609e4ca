"""What decK does, call for call: ping, dump, sync, and a second diff that finds nothing to do.

decK itself is no module that a build here can get, so its part is played: it reads lists page by page, fills
defaults from `/schemas`, chooses ids, writes by PUT what the user set, and compares field by field.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any
from uuid import NAMESPACE_URL, uuid5

import pytest
from starlette.testclient import TestClient

from tests.support.certificates import make

Document = dict[str, Any]

# Parents before children. A path has the id of its parent where it has one.
LISTED = (
    "certificates",
    "ca_certificates",
    "services",
    "routes",
    "snis",
    "consumers",
    "upstreams",
    "plugins",
)
TOLERATED = (
    "key-auths",
    "acls",
    "basic-auths",
    "hmac-auths",
    "jwts",
    "oauth2",
    "mtls-auths",
    "keys",
    "key-sets",
    "vaults",
    "partials",
    "filter-chains",
    "consumer_groups",
)
# What a server sets, which no comparison looks at; names of certificates are entities of their own.
VOLATILE = {"created_at", "updated_at", "cert_digest"}


def _id(kind: str, name: str) -> str:
    return str(uuid5(NAMESPACE_URL, f"{kind}/{name}"))


SHOP = make("shop.test")
WANTED: dict[str, list[Document]] = {
    "certificates": [{"id": _id("certificates", "shop"), **SHOP._asdict(), "tags": ["tls"]}],
    "ca_certificates": [{"id": _id("ca_certificates", "ours"), "cert": make("ours", ca=True).cert}],
    "services": [
        {
            "id": _id("services", "plain"),
            "name": "plain",
            "host": "pool.internal",
            "port": 80,
            "protocol": "http",
        },
        {
            "id": _id("services", "tls"),
            "name": "tls",
            "host": "partner.test",
            "port": 443,
            "protocol": "https",
            "tls_verify": True,
            "ca_certificates": [_id("ca_certificates", "ours")],
            "client_certificate": {"id": _id("certificates", "shop")},
        },
        {"id": _id("services", "grpc"), "name": "grpc", "host": "g.test", "port": 50051, "protocol": "grpcs"},
    ],
    "routes": [
        {
            "id": _id("routes", "web"),
            "name": "web",
            "paths": ["/"],
            "snis": ["shop.test"],
            "protocols": ["https"],
            "service": {"id": _id("services", "plain")},
        },
        {
            "id": _id("routes", "rpc"),
            "name": "rpc",
            "protocols": ["grpc", "grpcs"],
            "hosts": ["rpc.test"],
            "service": {"id": _id("services", "grpc")},
        },
    ],
    "snis": [
        {
            "id": _id("snis", "shop"),
            "name": "shop.test",
            "certificate": {"id": _id("certificates", "shop")},
        }
    ],
    "consumers": [{"id": _id("consumers", "bob"), "username": "bob"}],
    "upstreams": [
        {
            "id": _id("upstreams", "pool"),
            "name": "pool.internal",
            "algorithm": "consistent-hashing",
            "hash_on": "header",
            "hash_on_header": "x-tenant",
            "healthchecks": {
                "active": {"healthy": {"interval": 5}},
                "passive": {"unhealthy": {"timeouts": 2}},
            },
        }
    ],
    "plugins": [
        {
            "id": _id("plugins", "limit"),
            "name": "rate-limiting",
            "config": {"minute": 5, "policy": "local"},
            "service": {"id": _id("services", "plain")},
        },
        {"id": _id("plugins", "keys"), "name": "key-auth"},
    ],
}
TARGETS: list[Document] = [
    {"id": _id("targets", "a"), "target": "10.0.0.1:80", "weight": 10},
    {"id": _id("targets", "b"), "target": "10.0.0.2", "weight": 0},
]
KEYS: list[Document] = [{"id": _id("keys", "bob"), "key": "a-key-that-bob-brings"}]


@dataclass
class Deck:
    """The calls of one run; `writes` counts what it changed."""

    admin: TestClient
    writes: int = 0

    def ping(self) -> None:
        assert self.admin.get("/").json()["version"] == "3.9.1"

    def pages(self, path: str) -> Iterator[Document]:
        query: dict[str, Any] = {"size": 1000}
        while True:
            answer = self.admin.get(path, params=query)
            assert answer.status_code == 200, (path, answer.text)
            body = answer.json()
            yield from body["data"]
            if not body.get("offset"):
                return
            query["offset"] = body["offset"]

    def dump(self) -> dict[str, dict[str, Document]]:
        """Return every entity by kind and id; targets by the path that they are found at."""
        found = {kind: {one["id"]: one for one in self.pages(f"/{kind}")} for kind in LISTED}
        for certificate in found["certificates"].values():
            del certificate["snis"]  # entities of their own, with ids to keep
        for upstream in found["upstreams"]:
            path = f"upstreams/{upstream}/targets"
            found[path] = {one["id"]: one for one in self.pages(f"/{path}")}
        for kind in TOLERATED:
            answer = self.admin.get(f"/{kind}", params={"size": 1000})
            assert answer.status_code in (200, 404)
            if answer.status_code == 200:
                found[kind] = {one["id"]: one for one in answer.json()["data"]}
        return found

    def defaults(self, path: str) -> Document:
        """Return what a server fills in, as its schema tells."""
        answer = self.admin.get(f"/schemas/{path}")
        assert answer.status_code == 200, (path, answer.text)
        return _defaults(answer.json()["fields"])

    def sync(self, wanted: dict[str, list[Document]]) -> None:
        """Write what differs, parents first; what isn't wanted goes, children first."""
        present = self.dump()
        for path, documents in wanted.items():
            here = present.get(_listed(path), {})
            for document in documents:
                full = _filled(self._expected(path, document), document)
                if _same(full, here.get(document["id"])):
                    continue
                self.writes += 1
                answer = self.admin.put(f"/{path}/{document['id']}", json=document)
                assert answer.status_code == 200, answer.text
        for path in reversed(wanted):
            kept = {document["id"] for document in wanted[path]}
            for gone in present.get(_listed(path), {}).keys() - kept:
                self.writes += 1
                assert self.admin.delete(f"/{path}/{gone}").status_code == 204

    def _expected(self, path: str, document: Document) -> Document:
        kind = "targets" if path.endswith("/targets") else _listed(path)
        if kind == "plugins":
            config = self.defaults(f"plugins/{document['name']}").get("config", {})
            return {"enabled": True, "config": config}
        return self.defaults(kind) if kind in {"services", "routes", "upstreams", "targets"} else {}


def _listed(path: str) -> str:
    return "key-auths" if path.endswith("/key-auth") else path


def _defaults(fields: list[Document]) -> Document:
    result: Document = {}
    for field in fields:
        ((name, part),) = field.items()
        if part["type"] == "record":
            result[name] = _defaults(part["fields"])
        elif "default" in part:
            result[name] = part["default"]
    return result


def _filled(base: Document, document: Document) -> Document:
    result = dict(base)
    for name, value in document.items():
        inner = result.get(name)
        result[name] = _filled(inner, value) if isinstance(inner, dict) and isinstance(value, dict) else value
    return result


def _same(wanted: Any, present: Any) -> bool:
    """Whether every field that is wanted is there, null being the same as nothing."""
    if isinstance(wanted, dict) and isinstance(present, dict):
        return all(_same(value, present.get(name)) for name, value in wanted.items() if name not in VOLATILE)
    if isinstance(wanted, list) and isinstance(present, list):
        return sorted(map(str, wanted)) == sorted(map(str, present))
    return bool(wanted == present) or (wanted in ([], {}, None) and present in ([], {}, None))


def _state() -> dict[str, list[Document]]:
    pool, bob = WANTED["upstreams"][0]["id"], WANTED["consumers"][0]["id"]
    targets = [{**target, "upstream": {"id": pool}} for target in TARGETS]
    return {**WANTED, f"upstreams/{pool}/targets": targets, f"consumers/{bob}/key-auth": KEYS}


def test_sync_makes_all_of_it_and_a_second_one_nothing(admin: TestClient) -> None:
    wanted = _state()
    first = Deck(admin)
    first.ping()
    first.sync(wanted)
    assert first.writes == sum(map(len, wanted.values()))
    # decK writes targets with their ports.
    for target in wanted[next(path for path in wanted if path.endswith("/targets"))]:
        target["target"] += "" if ":" in target["target"] else ":8000"
    second = Deck(admin)
    second.sync(wanted)
    assert second.writes == 0


def test_what_was_dumped_can_be_synced_elsewhere(admin: TestClient) -> None:
    Deck(admin).sync(_state())
    found = Deck(admin).dump()
    dumped: dict[str, list[Document]] = {
        (f"consumers/{_id('consumers', 'bob')}/key-auth" if kind == "key-auths" else kind): list(
            entities.values()
        )
        for kind, entities in found.items()
        if entities
    }
    again = Deck(admin)
    again.sync(dumped)
    assert again.writes == 0
    Deck(admin).sync({path: [] for path in dumped})
    assert not any(Deck(admin).dump()[kind] for kind in LISTED)
    restored = Deck(admin)
    restored.sync(dumped)
    final = Deck(admin)
    final.sync(dumped)
    assert final.writes == 0


@pytest.mark.parametrize("kind", [*LISTED, "upstreams"])
def test_lists_that_must_answer(admin: TestClient, kind: str) -> None:
    assert admin.get(f"/{kind}", params={"size": 1000, "tags": "managed"}).json() == {
        "data": [],
        "next": None,
    }


@pytest.mark.parametrize(
    "name", ["services", "routes", "upstreams", "targets", "consumer_group_plugins", "plugins/rate-limiting"]
)
def test_schemas_that_a_diff_needs(admin: TestClient, name: str) -> None:
    assert admin.get(f"/schemas/{name}").json()["fields"]
