"""The catalog's meters as metering gets them, and usage as people see it."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest
from sqlalchemy import insert

from tests.support.databases import migrated
from tests.support.gateway import open_store
from tests.unit.metering.fakes import NODE, NOON, FakeLog, event
from tollway.app.external_usage import ExternalUsage
from tollway.app.metering import MeteringWorker
from tollway.app.usage import CatalogMeters, Usage
from tollway.app.usage_report import parse_range, usage_events, usage_rows
from tollway.catalog.canonical import content_hash, meter_data
from tollway.catalog.models import Aggregation, CompletionRule, Meter, MeterFilter, SummedField
from tollway.kernel.clock import ManualClock
from tollway.kernel.errors import InvalidInput, NotFound
from tollway.metering import meters
from tollway.metering.intake import Intake
from tollway.metering.nodes import Nodes
from tollway.metering.query import StoredUsage
from tollway.storage.activity import SqlActivity
from tollway.storage.attributions import SqlAttributions
from tollway.storage.database import Database
from tollway.storage.external import SqlExternalStorage
from tollway.storage.metering import SqlUsageStorage
from tollway.storage.meters import hold_routes
from tollway.storage.tables.catalog import METER
from tollway.storage.tables.gateway import CONSUMER, ROUTE

LONG_AGO = datetime(2026, 1, 1, tzinfo=UTC)
PRO, CUSTOM_ONLY, DELETED = UUID(int=10), UUID(int=11), UUID(int=12)
PLACES = UUID(int=40)
STAMPS = {"created_at": LONG_AGO, "updated_at": LONG_AGO}


@pytest.fixture
def main(tmp_path: Path) -> Iterator[Database]:
    database = migrated(tmp_path, "main")
    with database.write() as connection:
        consumers = [(PRO, "pro_user_123", "pro_user_123_uuid"), (CUSTOM_ONLY, None, "custom")]
        for identifier, username, custom_id in consumers:
            names = {"id": identifier, "username": username, "custom_id": custom_id}
            connection.execute(insert(CONSUMER).values(**names, mode="live", **STAMPS))
        flags = ("strip_path", "preserve_host", "request_buffering", "response_buffering")
        connection.execute(
            insert(ROUTE).values(
                id=PLACES,
                name="places",
                protocols=["http"],
                https_redirect_status_code=426,
                regex_priority=0,
                path_handling="v0",
                **dict.fromkeys(flags, True),
                **STAMPS,
            )
        )
    yield database
    database.close()


@pytest.fixture
def log() -> FakeLog:
    return FakeLog(NOON)


@pytest.fixture
def usage(main: Database, log: FakeLog, tmp_path: Path) -> Iterator[Usage]:
    database = migrated(tmp_path, "usage")
    _store(main, Meter("api_calls", filter=MeterFilter(status=frozenset({"2xx"}))))
    clock, storage, source = ManualClock(NOON), SqlUsageStorage(database), CatalogMeters(main.write)
    yield Usage(
        worker=MeteringWorker(Intake(log, storage, source, clock), storage, clock),
        query=StoredUsage(log, storage, source),
        activity=SqlActivity(database),
        nodes=Nodes(log, storage, clock),
        storage=storage,
        external=ExternalUsage(SqlExternalStorage(database), SqlAttributions(main), clock),
        reported=SqlExternalStorage(database),
        main=main,
    )
    database.close()


def _store(main: Database, meter: Meter, number: int = 1, **facts: Any) -> None:
    data = meter_data(meter)
    row = {"id": UUID(int=number), "name": meter.name, "effective_from": LONG_AGO, **facts}
    with main.write() as connection:
        content = {"content": json.dumps(data), "content_hash": content_hash(data)}
        connection.execute(insert(METER).values(**row, **content))
        hold_routes(connection, row["id"], meter)


def test_a_filter_means_every_route_that_has_had_its_name(main: Database) -> None:
    with open_store(main).write() as gateway:
        first = gateway.routes.create({"name": "tiles", "paths": ["/tiles"]})
    _store(main, Meter("calls", filter=MeterFilter(route=frozenset({"tiles", "later"}))))
    with open_store(main).write() as gateway:
        gateway.routes.update("tiles", {"name": "maps"})
        second = gateway.routes.create({"name": "tiles", "paths": ["/other"]})
        third = gateway.routes.create({"name": "later", "paths": ["/later"]})
        gateway.routes.delete("later")
        gateway.routes.create({"name": "else", "paths": ["/else"]})
    (meter,) = CatalogMeters(main.read).meters()
    assert meter.filter.routes == {first.id, second.id, third.id}


def test_a_meter_of_the_catalog_as_metering_knows_it(main: Database) -> None:
    _store(
        main,
        Meter(
            "egress",
            Aggregation.SUM,
            SummedField.BYTES_OUT,
            MeterFilter(frozenset({"2xx"}), frozenset({"GET"}), frozenset({"places", "gone"})),
            CompletionRule.COMPLETE,
        ),
        effective_until=NOON,
    )
    _store(main, Meter("calls", filter=MeterFilter(route=frozenset({"gone"}))), 2, effective_from=NOON)
    assert CatalogMeters(main.write).meters() == [
        meters.Meter(
            id=UUID(int=1),
            name="egress",
            aggregation=meters.Aggregation.SUM,
            summed=meters.SummedField.BYTES_OUT,
            effective_from=LONG_AGO,
            effective_until=NOON,
            filter=meters.MeterFilter(
                statuses=frozenset({"2xx"}),
                methods=frozenset({"GET"}),
                routes=frozenset({PLACES}),
                completion=meters.CompletionRule.COMPLETE,
            ),
        ),
        # A filter whose routes are gone takes nothing; it doesn't take everything.
        meters.Meter(
            id=UUID(int=2),
            name="calls",
            aggregation=meters.Aggregation.COUNT,
            effective_from=NOON,
            filter=meters.MeterFilter(routes=frozenset()),
        ),
    ]


def test_a_meter_that_is_being_stored_is_waited_for(main: Database) -> None:
    found: list[int] = []
    reader = threading.Thread(target=lambda: found.append(len(CatalogMeters(main.write).meters())))
    with main.write() as connection:
        row = {"id": UUID(int=1), "name": "calls", "effective_from": LONG_AGO, "content_hash": ""}
        connection.execute(insert(METER).values(**row, content='{"name": "calls"}'))
        reader.start()
        reader.join(0.2)
        assert found == []
    reader.join(10)
    assert found == [1]


def test_usage_by_consumer_has_names(log: FakeLog, usage: Usage) -> None:
    log.append(event(consumer=PRO), event(consumer=PRO, status=404), event(consumer=CUSTOM_ONLY))
    log.append(event(consumer=DELETED), event(consumer=None))
    rows = usage_rows(usage, consumer=None, start=None, end=None)
    same = {"meter": "api_calls", "quantity": "1", "from": None, "to": None}
    names = [None, str(DELETED), "custom", "pro_user_123"]
    assert rows == [{"consumer": name} | same for name in names]
    for name in ("pro_user_123", "pro_user_123_uuid", str(PRO)):
        assert usage_rows(usage, consumer=name, start=None, end=None) == rows[-1:]
    with pytest.raises(NotFound, match="no consumer named 'pro_user'; give a username, a custom id or an id"):
        usage_rows(usage, consumer="pro_user", start=None, end=None)


def test_usage_of_a_range_says_which(log: FakeLog, usage: Usage) -> None:
    log.append(event(NOON))
    start, end = parse_range("2026-11-01T12:00:00Z", "2026-11-01T14:00:00+01:00")
    assert end is not None
    (row,) = usage_rows(usage, consumer=None, start=start, end=None)
    assert (row["from"], row["to"]) == ("2026-11-01T12:00:00Z", None)
    assert usage_rows(usage, consumer=None, start=None, end=NOON) == []


def test_an_event_has_names_and_its_identity(log: FakeLog, usage: Usage) -> None:
    log.append(event(consumer=PRO, route=PLACES, customer=None), event(status=500))
    (first, second) = usage_events(usage, consumer=None, meter=None, start=None, end=None)
    assert first == {
        "request_id": first["request_id"],
        "time": "2026-11-01T12:00:00Z",
        "consumer": "pro_user_123",
        "status": 200,
        "route": "places",
        "service": str(UUID(int=50)),
        "method": "GET",
        "path": "/",
        "units": 1,
        "bytes_in": 7,
        "bytes_out": 11,
        "duration_us": 3000,
        "upstream_us": 2000,
        "completion": "complete",
        "source": "upstream",
        "grpc_status": None,
        "attempts": 1,
        "part": 0,
        "last": True,
        "mode": "live",
        "customer": None,
        "phase": str(UUID(int=30)),
        "config_version": 1,
        "identity": f"{NODE}/1/0/0",
    }
    assert len(first["request_id"]) == 32
    assert list(usage_events(usage, consumer=None, meter="api_calls", start=None, end=None)) == [first]
    assert list(usage_events(usage, consumer="custom", meter=None, start=None, end=None)) == []
    json.dumps([first, second])


@pytest.mark.parametrize(
    ("start", "end", "message"),
    [
        ("soon", None, "--from: 'soon' is not an instant; write RFC 3339"),
        (None, "2026-11-31", "--to: '2026-11-31' is not an instant"),
        ("2026-11-02", "2026-11-01", "--to: 2026-11-01 is not after --from 2026-11-02"),
    ],
)
def test_a_faulty_range_names_the_option_and_the_fix(
    start: str | None, end: str | None, message: str
) -> None:
    with pytest.raises(InvalidInput, match=message):
        parse_range(start, end)
