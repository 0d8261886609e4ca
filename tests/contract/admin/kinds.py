"""What the behaviour suite needs to know of each kind of entity."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from starlette.testclient import TestClient

from tests.support.certificates import make

Document = Mapping[str, Any]


@dataclass(frozen=True)
class Kind:
    """`first`, `second` and `third` can exist together; `change` is a PATCH, `wrong` breaks a type."""

    path: str
    first: Document
    second: Document
    third: Document
    change: Document
    wrong: Document
    wrong_text: str
    defaults: Document
    key: str | None = "name"
    """The field that may stand for the id in a path."""
    chosen: str = "chosen"
    """A value that it may have, as it is shown."""
    unique: str | None = "name"
    """The field of which two entities may not have the same value."""
    foreign: str | None = None
    """A foreign key, for which a missing entity is given."""
    below: tuple[str, str, str] | None = None
    """A parent's path, the segment below it, and the field: `/consumers/bob`, `acls`, `consumer`."""

    def create(self, admin: TestClient, document: Document) -> dict[str, Any]:
        answer = admin.post(f"/{self.path}", json=dict(document))
        assert answer.status_code == 201, answer.text
        body: dict[str, Any] = answer.json()
        return body


BOB = {"username": "bob"}
OWNER = "77777777-2222-4333-8444-555555555555"


def _certificate(name: str) -> Document:
    made = make(name)
    return {"cert": made.cert, "key": made.key, "snis": [name]}


PARENTS: Mapping[str, Document] = {
    "services": {"name": "up", "host": "up.test"},
    "consumers": {"username": "bob"},
    "upstreams": {"name": "pool"},
    "certificates": {"id": OWNER, **_certificate("owner.test")},
}
"""What entities refer to or stand below, by path."""
STRANGERS: Mapping[str, Document] = {
    "services": {"name": "eve", "host": "eve.test"},
    "consumers": {"username": "eve"},
    "certificates": {**_certificate("eve"), "snis": ["eve"]},
}
"""Other parents, called eve."""

KINDS = [
    Kind(
        "services",
        {"name": "s1", "host": "one.test"},
        {"name": "s2", "url": "https://two.test:8443/api"},
        {"name": "s3", "host": "three.test"},
        {"retries": 2},
        {"port": "eighty"},
        "port: expected an integer",
        {"port": 80, "protocol": "http", "retries": 5, "read_timeout": 60000, "enabled": True, "path": None},
    ),
    Kind(
        "routes",
        {"name": "r1", "paths": ["/one"], "service": {"name": "up"}},
        {"name": "r2", "hosts": ["two.test"]},
        {"name": "r3", "methods": ["GET"], "headers": {"x-version": ["3"]}},
        {"strip_path": False},
        {"paths": "/one"},
        "paths: expected a set",
        {"protocols": ["http", "https"], "strip_path": True, "regex_priority": 0, "path_handling": "v0"},
        foreign="service",
        below=("/services/up", "routes", "service"),
    ),
    Kind(
        "upstreams",
        {"name": "one", "tags": ["x"]},
        {"name": "two", "healthchecks": {"active": {"healthy": {"interval": 5}}, "threshold": 12.5}},
        {"name": "three", "algorithm": "consistent-hashing", "hash_on": "ip", "hash_fallback": "path"},
        {"slots": 100},
        {"slots": "many"},
        "slots: expected an integer",
        {"algorithm": "round-robin", "hash_on": "none", "slots": 10_000, "hash_on_cookie_path": "/"},
        foreign="client_certificate",
    ),
    Kind(
        "upstreams/pool/targets",
        {"target": "10.0.0.1:80"},
        {"target": "ten.test:8080", "weight": 0},
        {"target": "[2001:db8::7]:80"},
        {"weight": 7},
        {"weight": "heavy"},
        "weight: expected an integer",
        {"weight": 100, "tags": None},
        key="target",
        chosen="chosen.test:8000",
        unique="target",
    ),
    Kind(
        "certificates",
        _certificate("one.test"),
        _certificate("two.test"),
        _certificate("three.test"),
        {"tags": ["changed"]},
        {"tags": 1},
        "tags: expected a set",
        {"cert_alt": None, "key_alt": None, "tags": None},
        key=None,
        unique=None,
    ),
    Kind(
        "snis",
        {"name": "one.test", "certificate": {"id": OWNER}},
        {"name": "*.two.test", "certificate": {"id": OWNER}},
        {"name": "three.*", "certificate": {"id": OWNER}},
        {"tags": ["changed"]},
        {"name": 5},
        "name: expected a string",
        {"tags": None},
        foreign="certificate",
        below=(f"/certificates/{OWNER}", "snis", "certificate"),
    ),
    Kind(
        "ca_certificates",
        {"cert": make("one", ca=True).cert},
        {"cert": make("two", ca=True).cert},
        {"cert": make("three", ca=True).cert},
        {"tags": ["changed"]},
        {"tags": 1},
        "tags: expected a set",
        {"tags": None},
        key=None,
        unique=None,
    ),
    Kind(
        "consumers",
        {"username": "c1", "custom_id": "one"},
        {"username": "c2"},
        {"username": "c3", "custom_id": "three"},
        {"custom_id": "other"},
        {"username": 5},
        "username: expected a string",
        {"tags": None},
        key="username",
        unique="username",
    ),
    Kind(
        "consumer_groups",
        {"name": "gold"},
        {"name": "silver"},
        {"name": "bronze"},
        {"tags": ["metal"]},
        {"name": False},
        "name: expected a string",
        {"tags": None},
    ),
    Kind(
        "key-auths",
        {"key": "first-key-of-bob", "consumer": BOB},
        {"key": "second-key-of-bob", "consumer": BOB},
        {"key": "third-key-of-bob", "consumer": BOB},
        {"tags": ["changed"]},
        {"tags": 1},
        "tags: expected a set",
        {"tags": None, "ttl": None},
        key="key",
        unique="key",
        foreign="consumer",
        below=("/consumers/bob", "key-auth", "consumer"),
    ),
    Kind(
        "acls",
        {"group": "readers", "consumer": BOB},
        {"group": "writers", "consumer": BOB},
        {"group": "owners", "consumer": BOB},
        {"group": "guests"},
        {"group": []},
        "group: expected a string",
        {"tags": None},
        key=None,
        unique="group",
        foreign="consumer",
        below=("/consumers/bob", "acls", "consumer"),
    ),
    Kind(
        "plugins",
        {"name": "key-auth", "instance_name": "p1"},
        {"name": "rate-limiting", "instance_name": "p2", "config": {"hour": 5}, "service": {"name": "up"}},
        {"name": "acl", "instance_name": "p3", "config": {"allow": ["readers"]}},
        {"enabled": False},
        {"enabled": "yes"},
        "enabled: expected a boolean",
        {"enabled": True, "protocols": ["grpc", "grpcs", "http", "https"], "consumer": None},
        key="instance_name",
        unique="instance_name",
        foreign="service",
        below=("/services/up", "plugins", "service"),
    ),
]
