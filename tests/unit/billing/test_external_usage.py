"""Usage from elsewhere is billed as the gateway's is: by its phase, once, late where it is late."""

from __future__ import annotations

import threading
from dataclasses import replace
from datetime import datetime, timedelta
from decimal import Decimal
from uuid import UUID

import pytest
from sqlalchemy import insert

from tests.support.commerce import START, World
from tollway.app.external_usage import ExternalUsage, Message
from tollway.billing.models import Invoice, LineKind, Subscription
from tollway.billing.reading import events_behind
from tollway.catalog.parse import parse_catalog
from tollway.catalog.service import apply_catalog
from tollway.kernel.errors import InvalidInput
from tollway.kernel.ids import new_id
from tollway.metering.external import UsageReport
from tollway.metering.ports import ExternalStore, UsageSpan
from tollway.storage.activity import SqlActivity
from tollway.storage.attributions import SqlAttributions
from tollway.storage.external import SqlExternalStorage
from tollway.storage.tables.gateway import CONSUMER

HOUR = timedelta(hours=1)
END = START.replace(month=2, day=28)

CATALOG = b"""
_format_version: "1.0"
currency: USD
plans:
  - name: reported
    prices:
      - {model: per_unit, meter: units, unit_amount: "0.10"}
"""


@pytest.fixture
def external(world: World) -> ExternalUsage:
    with world.main.write() as connection:
        list(
            apply_catalog(
                world.commerce(connection).catalog, parse_catalog(CATALOG, "catalog.yaml"), START - HOUR
            )
        )
    return ExternalUsage(SqlExternalStorage(world.usage_database), SqlAttributions(world.main), world.clock)


def consumer(world: World, name: str, identifier: UUID | None = None, **facts: object) -> UUID:
    identifier = identifier or new_id()
    with world.main.write() as connection:
        stamps = {"created_at": START, "updated_at": START}
        values = {"id": identifier, "username": name, "mode": "live", **stamps, **facts}
        connection.execute(insert(CONSUMER).values(values))
    return identifier


def subscribed(world: World) -> Subscription:
    subscription = world.subscribe("reported", "batch")
    consumer(world, "batch", subscription.consumer)
    return subscription


def report(at: datetime, units: int = 1, subject: str = "batch", **facts: object) -> UsageReport:
    base = UsageReport(
        subject=subject, endpoint="/jobs", time=at, whole_second=False, units=units, source="test", id=None
    )
    return replace(base, **facts)  # type: ignore[arg-type]


def nothing(_: ExternalStore) -> None:
    pass


def quantities(invoice: Invoice) -> list[tuple[LineKind, Decimal]]:
    return [(line.kind, line.quantity) for line in invoice.lines if line.usage is not None]


def test_reported_units_are_on_the_invoice_and_open_to_their_events(
    world: World, external: ExternalUsage
) -> None:
    subscription = subscribed(world)
    at = START + HOUR
    assert external.take_reports([report(at, 2), report(at, 2), report(at, 3, id="x")]) == [True] * 3
    assert external.take_reports([report(at, 3, id="x"), report(at, 9, id="x", source="other")]) == [
        False,
        True,
    ]
    world.use(subscription, 4, at)  # the gateway's own is not in it
    world.go_to(END + HOUR)
    world.run()
    (invoice,) = world.invoices(subscription)
    assert quantities(invoice) == [(LineKind.USAGE, Decimal(16))]
    assert invoice.total == 160
    events = list(world.query.external_events(events_behind(invoice, invoice.lines[-1])))
    assert [(event.units, event.id) for event in events] == [(2, None), (2, None), (3, "x"), (9, "x")]
    rows = SqlActivity(world.usage_database).activity(start=START, end=END, by=["endpoint", "status"])
    assert [(row.keys, row.requests, row.units) for row in rows] == [
        ((None, 200), 4, 4),
        (("/jobs", None), 4, 16),
    ]


def test_what_comes_late_is_a_line_of_the_next_invoice_with_its_own_events(
    world: World, external: ExternalUsage
) -> None:
    subscription = subscribed(world)
    external.take_reports([report(START + HOUR, 5)])
    world.go_to(END + HOUR)
    world.run()
    external.take_reports([report(START + 2 * HOUR, 7), report(END + HOUR / 2, 1)])
    world.go_to(START.replace(month=3) + HOUR)
    world.run()
    first, second = world.invoices(subscription)
    assert quantities(first) == [(LineKind.USAGE, Decimal(5))]
    assert quantities(second) == [(LineKind.USAGE, Decimal(1)), (LineKind.LATE_USAGE, Decimal(7))]
    for invoice in (first, second):
        for line in invoice.lines:
            behind = world.query.external_events(events_behind(invoice, line))
            assert sum(event.units for event in behind) == line.quantity


def test_a_boundary_is_exact_to_the_microsecond(world: World, external: ExternalUsage) -> None:
    subscription = subscribed(world)
    just_before = END - timedelta(microseconds=1)
    world.go_to(END + HOUR)
    external.take_reports([report(just_before, 1), report(END, 10)])
    world.run()
    (invoice,) = world.invoices(subscription)
    assert quantities(invoice) == [(LineKind.USAGE, Decimal(1))]
    spans = [UsageSpan(start=just_before, end=END), UsageSpan(start=END, end=END + HOUR)]
    found = [[one.quantity for one in reading.quantities] for reading in world.query.readings(spans)]
    assert found == [[1], [10]]


@pytest.mark.usefixtures("external")
def test_whose_usage_it_is(world: World) -> None:
    subscription = subscribed(world)
    consumer(world, "only", custom_id="batch", customer_id=subscription.customer)
    consumer(world, str(subscription.consumer), custom_id="other")
    stranger = consumer(world, "nobody")
    attributions = SqlAttributions(world.main)
    half = timedelta(milliseconds=500)
    reports = [
        report(START + HOUR, subject="batch"),  # a username goes before a custom id
        report(START + HOUR, subject=str(subscription.consumer)),  # and before an id
        report(START + HOUR, subject=str(stranger)),
        report(START - HOUR),
        report(START.replace(microsecond=0), whole_second=True),
        report(START.replace(microsecond=0)),
        report(START + HOUR, subject="ghost"),
    ]
    found = attributions.of(reports, START + 2 * HOUR, early=False)
    phases = [whose and whose.phase for whose in found]
    phase = subscription.phases[0].id
    assert phases == [phase, None, None, None, phase, None, None]
    assert [whose and whose.customer for whose in found] == [
        subscription.customer,
        None,
        None,
        None,
        subscription.customer,
        None,
        None,
    ]
    assert found[2] is not None
    assert found[2].consumer == stranger
    assert found[-1] is None
    (early,) = attributions.of([report(START - half)], START + HOUR, early=True)
    assert early is not None
    assert early.phase == phase


def test_strangers_are_parked_whole_and_replayed_once(world: World, external: ExternalUsage) -> None:
    body = b'{"consumer_id":"late","api_endpoint":"/x","timestamp":1769854830,"usage_units":4}'
    at = START.replace(microsecond=0)
    messages = [Message(report(at, 4, "late", whole_second=True), body)] * 2
    taken = external.take_messages(messages, "api_usage_logs", nothing)
    assert (taken.stored, taken.parked) == (0, 2)
    assert external.replay().left == 2
    consumer(world, "late")
    replays: list[int] = []
    threads = [threading.Thread(target=lambda: replays.append(external.replay().stored)) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sum(replays) == 2
    (found,) = world.query.by_consumer()
    assert (found.meter, found.quantity) == ("units", 8)


def test_all_or_none_and_the_stranger_is_named(world: World, external: ExternalUsage) -> None:
    subscribed(world)
    with pytest.raises(InvalidInput, match=r"\[1\].subject: there is no consumer 'ghost'"):
        external.take_reports([report(START), report(START, subject="ghost")])
    assert world.query.by_consumer() == []


def test_one_identity_stored_by_many_at_once_counts_once(world: World, external: ExternalUsage) -> None:
    subscribed(world)
    same = [report(START + HOUR, 1, id=str(number)) for number in range(20)]
    added: list[bool] = []
    threads = [threading.Thread(target=lambda: added.extend(external.take_reports(same))) for _ in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert (sum(added), len(added)) == (20, 120)
    (found,) = world.query.by_consumer()
    assert found.quantity == 20


def test_a_customer_s_key_takes_no_ids_away_from_others(world: World, external: ExternalUsage) -> None:
    own = subscribed(world).consumer
    mine, theirs = (report(START, id="1", reporter=reporter) for reporter in (own, None))
    assert external.take_reports([mine, theirs, mine]) == [True, True, False]
