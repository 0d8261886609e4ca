from __future__ import annotations

import doctest
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.unit.metering.fakes import NODE, NOON, SHARD, SIZE, FakeLog, FixedMeters, event, meter
from tests.unit.metering.test_intake import SECOND, caught_up, intake
from tollway.kernel.errors import NotFound
from tollway.kernel.instants import from_micros, to_micros
from tollway.metering import query
from tollway.metering.meters import MeterFilter
from tollway.metering.models import (
    BUCKET_MICROS,
    ConsumerQuantity,
    CursorVector,
    NodeState,
    Quantity,
    ShardId,
)
from tollway.metering.ports import EventSelection, UsageSpan, UsageStorage
from tollway.metering.query import StoredUsage

MINUTE = timedelta(minutes=1)
CUSTOMER, PHASE = UUID(int=20), UUID(int=30)
SUCCESSES = MeterFilter(statuses=frozenset({"2xx"}))


@pytest.fixture
def meters() -> FixedMeters:
    return FixedMeters(meter("api_calls", 1, filter=SUCCESSES), meter("everything", 2))


@pytest.fixture
def usage(log: FakeLog, storage: UsageStorage, meters: FixedMeters) -> StoredUsage:
    return StoredUsage(log, storage, meters)


def test_the_examples_hold() -> None:
    assert doctest.testmod(query).failed == 0


def test_quantities_per_customer_phase_and_meter(
    log: FakeLog, storage: UsageStorage, meters: FixedMeters, usage: StoredUsage
) -> None:
    log.append(event(), event(), event(status=404))
    log.append(event(phase=UUID(int=31)), event(customer=None, phase=None))
    caught_up(intake(log, storage, meters))
    reading = usage.quantities()
    assert reading.quantities == (
        Quantity(None, None, "api_calls", Decimal(1)),
        Quantity(None, None, "everything", Decimal(1)),
        Quantity(CUSTOMER, PHASE, "api_calls", Decimal(2)),
        Quantity(CUSTOMER, PHASE, "everything", Decimal(3)),
        Quantity(CUSTOMER, UUID(int=31), "api_calls", Decimal(1)),
        Quantity(CUSTOMER, UUID(int=31), "everything", Decimal(1)),
    )
    assert reading.cursors == CursorVector({SHARD: 5 * SIZE})
    (node,) = reading.nodes
    assert node.watermark == log.now
    assert reading.lagging(log.now) == ()
    assert reading.lagging(log.now + timedelta(microseconds=1)) == (node,)
    one, none = usage.readings([UsageSpan(phase=UUID(int=31)), UsageSpan(customer=UUID(int=99))])
    assert [quantity.quantity for quantity in one.quantities] == [1, 1]
    assert none.quantities == ()


def test_by_consumer(log: FakeLog, storage: UsageStorage, meters: FixedMeters, usage: StoredUsage) -> None:
    log.append(event(), event(phase=UUID(int=31)), event(consumer=UUID(int=11), status=500))
    caught_up(intake(log, storage, meters))
    everything = [
        ConsumerQuantity(UUID(int=10), "api_calls", Decimal(2)),
        ConsumerQuantity(UUID(int=10), "everything", Decimal(2)),
        ConsumerQuantity(UUID(int=11), "everything", Decimal(1)),
    ]
    assert usage.by_consumer() == everything
    assert usage.by_consumer(consumer=UUID(int=11)) == everything[2:]
    assert usage.by_consumer(end=NOON) == []
    assert usage.by_consumer(start=NOON, end=NOON + timedelta(microseconds=1)) == everything


def test_the_versions_of_a_meter_are_one(log: FakeLog, storage: UsageStorage) -> None:
    changed = NOON + MINUTE
    meters = FixedMeters(
        meter("api_calls", 1, effective_until=changed),
        meter("api_calls", 2, effective_from=changed, filter=SUCCESSES),
    )
    log.append(*(event(NOON + i * MINUTE, status=404 if i % 2 else 200) for i in range(-2, 4)))
    caught_up(intake(log, storage, meters))
    usage = StoredUsage(log, storage, meters)
    (quantity,) = usage.quantities().quantities
    assert (quantity.meter, quantity.quantity) == ("api_calls", 4)
    assert len(list(usage.events(EventSelection(meter="api_calls")))) == 4


def test_the_log_is_read_only_where_a_range_cuts_into_used_quarters_of_an_hour(
    log: FakeLog, storage: UsageStorage, meters: FixedMeters, usage: StoredUsage
) -> None:
    log.append(event(NOON), event(NOON + 20 * MINUTE))
    caught_up(intake(log, storage, meters))

    def total(start: datetime, end: datetime) -> int:
        return int(sum(q.quantity for q in usage.quantities(start=start, end=end).quantities)) // 2

    assert total(NOON, NOON + 15 * MINUTE) == 1
    assert total(NOON - 7 * MINUTE, NOON + 30 * MINUTE) == 2  # before noon there is nothing to split
    assert log.read_from_log == 0
    assert total(NOON, NOON + 20 * MINUTE) == 1
    assert log.read_from_log == 1
    assert total(NOON + timedelta(microseconds=1), NOON + 21 * MINUTE) == 1
    assert total(NOON + MINUTE, NOON + MINUTE) == 0
    assert total(NOON + 2 * MINUTE, NOON + MINUTE) == 0


def test_what_is_not_metered_yet_is_in_no_answer(
    log: FakeLog, storage: UsageStorage, meters: FixedMeters, usage: StoredUsage
) -> None:
    log.append(event())
    caught_up(intake(log, storage, meters))
    log.append(event())
    for end in (None, NOON + MINUTE):
        assert [q.quantity for q in usage.quantities(end=end).quantities] == [1, 1]
    assert len(list(usage.events(EventSelection()))) == 1


def test_events_open_a_quantity_to_its_requests(
    log: FakeLog, storage: UsageStorage, meters: FixedMeters, usage: StoredUsage
) -> None:
    sent = [event(NOON + i * MINUTE, status=200 + 100 * (i % 3)) for i in range(9)]
    for i, one in enumerate(sent):
        log.append(one, shard=(SHARD, SECOND)[i % 2])
    caught_up(intake(log, storage, meters))
    invoiced = usage.quantities().cursors
    late = event(NOON + 2 * MINUTE)
    log.append(late)
    caught_up(intake(log, storage, meters))

    def ids(**selection: object) -> list[str]:
        return [one.request_id for one in usage.events(EventSelection(**selection))]  # type: ignore[arg-type]

    every = [one.request_id for one in sent]
    assert ids(up_to=invoiced) == every  # in the order of time, whichever shard has them
    assert ids(after=invoiced) == [late.request_id]
    assert set(ids()) == {*every, late.request_id}
    assert ids(meter="api_calls", up_to=invoiced) == every[::3]
    assert ids(start=NOON + MINUTE, end=NOON + 3 * MINUTE, up_to=invoiced) == every[1:3]
    assert ids(customer=UUID(int=21)) == ids(phase=UUID(int=31)) == ids(consumer=UUID(int=11)) == []
    with pytest.raises(NotFound, match="no meter named 'apicalls'"):
        ids(meter="apicalls")


def test_a_cursor_vector_goes_through_json() -> None:
    vector = CursorVector({ShardId(NODE, 12, 3): 5 << 40, SHARD: 1})
    assert list(vector.to_json()) == [f"{NODE}/1/0", f"{NODE}/12/3"]
    assert CursorVector.from_json(vector.to_json()) == vector
    assert vector[SECOND] == 0


def test_a_retired_node_lags_no_more() -> None:
    unknown = NodeState(NODE, None, NOON, None)
    assert unknown.lags(NOON)
    assert not NodeState(NODE, None, NOON, NOON).lags(NOON)
    assert not NodeState(NODE, NOON, NOON, None).lags(NOON)


MICROS = st.integers(0, 10 * BUCKET_MICROS).map(
    lambda micros: from_micros(to_micros(datetime(2026, 11, 1, tzinfo=UTC)) + micros)
)


@given(start=st.none() | MICROS, end=st.none() | MICROS, instant=MICROS)
def test_a_split_range_holds_the_same_instants(
    start: datetime | None, end: datetime | None, instant: datetime
) -> None:
    whole, edges = query._split(start, end)
    micros = to_micros(instant)
    parts = [*edges, *([] if whole is None else [whole])]
    held = [
        part
        for part in parts
        if (part[0] is None or part[0] <= micros) and (part[1] is None or micros < part[1])
    ]
    assert len(held) == int((start is None or start <= instant) and (end is None or instant < end))
    for bound in whole or ():
        assert bound is None or bound % BUCKET_MICROS == 0
    for first, last in edges:
        assert first // BUCKET_MICROS == (last - 1) // BUCKET_MICROS
