"""The configuration stream's frames, kept by golden files that the engine's own code has to accept.

`TOLLWAY_UPDATE_GOLDEN=1 pytest tests/contract/test_configuration_stream.py` writes them anew; a change of
what is there already breaks gateways of another release and needs a new protocol number.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest
from sqlalchemy import update

import tollway.contracts.configuration as wire
from tests.support.databases import ON_POSTGRESQL, migrated
from tests.support.gateway import VAULT, open_store
from tests.support.stream import Replica
from tollway.contracts.entitlement import EntitlementView
from tollway.gateway.engine import NativeEngineCheck
from tollway.gateway.models import Attribution
from tollway.gateway.publisher import updates
from tollway.gateway.snapshot import encode
from tollway.kernel.clock import ManualClock
from tollway.kernel.mode import Mode
from tollway.storage.database import Database
from tollway.storage.gateway import SqlConfigurationSource
from tollway.storage.tables.gateway import CONFIG_VERSION

PEM = Path(__file__).parent / "golden" / "pem"
GOLDEN = Path(__file__).parent / "golden" / "configuration"
SCHEMA = Path(wire.__file__).parent / "schemas" / f"configuration-{wire.PROTOCOL}.json"
UPDATE = "TOLLWAY_UPDATE_GOLDEN" in os.environ


def _id(number: int) -> str:
    return str(UUID(int=0x7000_8000_0000_0000_0000 + number))


ENTITLEMENT: EntitlementView = {
    "subscription": _id(71),
    "plan": "pro",
    "addons": ["extra_analytics"],
    "features": ["analytics_advanced", "data_v1"],
    "quotas": [
        {
            "meter": "api_calls",
            "counted": "requests",
            "filter": {"status": ["2xx", "404"], "method": ["GET"], "route": [_id(11)]},
            "any_completion": False,
            "limit": 100_000,
            "boundaries": [1_793_491_200_000_000, 1_796_083_200_000_000, 1_798_761_600_000_000],
        }
    ],
}


@pytest.fixture
def database(tmp_path: Path) -> Iterator[Database]:
    database = migrated(tmp_path)
    with database.write() as connection:
        connection.execute(update(CONFIG_VERSION).values(version=1_000, pruned_to=1_000))
    yield database
    database.close()


@pytest.fixture
def frames(database: Database) -> dict[str, list[Any]]:
    """A full resync to version 1002, and the delta from there to 1003."""
    clock = ManualClock(datetime(2026, 11, 22, 12, 0, tzinfo=UTC))
    store = open_store(database, NativeEngineCheck(), clock)
    source = SqlConfigurationSource(database, VAULT)
    with store.write() as gateway:
        gateway.services.create(
            {"id": _id(1), "name": "orders", "url": "http://orders.internal:8080/v1", "tags": ["core"]}
        )
        gateway.services.create({"id": _id(2), "name": "off", "host": "off.internal", "enabled": False})
        gateway.certificates.create(
            {
                "id": _id(101),
                "cert": (PEM / "api.pem").read_text(),
                "key": (PEM / "api.key.pem").read_text(),
                "snis": ["API.example.com", "*.example.com"],
            }
        )
        gateway.ca_certificates.create({"id": _id(102), "cert": (PEM / "authority.pem").read_text()})
        gateway.services.create(
            {
                "id": _id(3),
                "name": "partner",
                "url": "https://partner.internal/v2",
                "tls_verify": True,
                "tls_verify_depth": 2,
                "ca_certificates": [_id(102)],
                "client_certificate": {"id": _id(101)},
            }
        )
        gateway.routes.create(
            {
                "id": _id(11),
                "name": "orders",
                "paths": ["/orders", "~/o/[0-9]+$"],
                "hosts": ["api.example.com", "*.example.org"],
                "methods": ["GET", "POST"],
                "headers": {"x-version": ["1", "2"]},
                "snis": ["API.example.com"],
                "service": {"name": "orders"},
            }
        )
        clock.advance(timedelta(microseconds=1))
        gateway.routes.create({"id": _id(10), "paths": ["/"]})
        gateway.upstreams.create({"id": _id(81), "name": "orders.internal", "algorithm": "least-connections"})
        for number, target in ((91, "10.0.0.7:8080"), (92, "[2001:db8::7]:8080")):
            gateway.targets.create({"id": _id(number), "upstream": {"id": _id(81)}, "target": target})
        gateway.consumer_groups.create({"id": _id(21), "name": "pro"})
        gateway.consumer_groups.create({"id": _id(22), "name": "beta"})
        gateway.plugins.create({"id": _id(31), "name": "key-auth"})
        gateway.plugins.create(
            {"id": _id(32), "name": "acl", "config": {"allow": ["readers"]}, "route": {"name": "orders"}}
        )
        gateway.plugins.create(
            {
                "id": _id(33),
                "name": "rate-limiting",
                "config": {"minute": 1000, "policy": "local"},
                "consumer_group": {"name": "pro"},
            }
        )
    with store.write() as gateway:
        bob = gateway.consumers.create({"id": _id(41), "username": "bob", "custom_id": "customer-1"})
        gateway.consumers.create({"id": _id(42), "custom_id": "customer-2"})
        gateway.consumers.attribute(
            bob.id,
            Attribution(customer_id=UUID(_id(61)), phase_id=UUID(_id(62)), mode=Mode.TEST),
            ENTITLEMENT,
        )
        gateway.shop.set(
            [{"feature": "data_v2", "plans": ["scale"], "addons": ["data_v2_pack"]}],
            "https://portal.example.com/",
        )
        for group in ("pro", "beta"):
            gateway.consumer_groups.add(gateway.consumer_groups.get(group).id, bob.id)
        for group in ("writers", "readers"):
            gateway.acls.create({"consumer": {"username": "bob"}, "group": group})
        gateway.plugins.create(
            {
                "id": _id(34),
                "name": "rate-limiting",
                "config": {"second": 5, "hour": 100},
                "service": {"name": "orders"},
                "consumer": {"username": "bob"},
            }
        )
        for number, key in ((51, "the-first-key"), (52, "the-second-key")):
            gateway.key_auths.create({"id": _id(number), "key": key, "consumer": {"username": "bob"}})
        gateway.key_auths.update(_id(52), {"ttl": 86_400})
    with source.read() as reader:
        full = [json.loads(frame) for frame in updates.full(reader)]
    with store.write() as gateway:
        gateway.services.update("orders", {"retries": 0})
        gateway.acls.delete("writers", {"consumer_id": bob.id})
        gateway.key_auths.delete("the-first-key")
        gateway.consumers.delete(_id(42))
    with source.read() as reader:
        found = updates.delta(reader, 1_002)
    assert found is not None
    return {"full": full, "delta": [json.loads(found[0])]}


def test_frames_are_as_they_were(frames: dict[str, list[Any]]) -> None:
    for name, wanted in frames.items():
        path = GOLDEN / f"{name}.json"
        text = json.dumps(wanted, indent=2, ensure_ascii=False) + "\n"
        if UPDATE:
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text)
        assert json.loads(path.read_text()) == wanted
        # PostgreSQL's JSONB has an order of its own for the names in what is stored as a document.
        assert ON_POSTGRESQL or path.read_text() == text


def test_engine_takes_the_golden_files() -> None:
    check = NativeEngineCheck()
    for frame in json.loads((GOLDEN / "full.json").read_text()):
        if frame["type"] == "full_begin":
            check.base(encode(frame["base"]))
        elif frame["type"] == "rows":
            check.rows(frame["table"], encode(frame["rows"]))
    (delta,) = json.loads((GOLDEN / "delta.json").read_text())
    check.base(encode(delta["base"]))


def test_golden_files_follow_the_wire_models() -> None:
    replica = Replica()
    for name in ("full", "delta"):
        for frame in json.loads((GOLDEN / f"{name}.json").read_text()):
            replica.apply(encode(frame))
    assert list(replica.tables["consumers"]) == [_id(41)]
    assert len(replica.tables["key_auth"]) == 1
    assert replica.version == 1_003


def test_json_schema_is_of_these_models() -> None:
    schema = {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": f"The configuration stream, protocol {wire.PROTOCOL}",
        "control": wire.control_frames.json_schema(),
        "gateway": wire.gateway_frames.json_schema(),
    }
    text = json.dumps(schema, indent=2) + "\n"
    if UPDATE:
        SCHEMA.write_text(text)
    assert SCHEMA.read_text() == text
