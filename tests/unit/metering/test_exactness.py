"""Whatever happens on the way (two workers, crashes between any two statements), every event counts once."""

from __future__ import annotations

import tempfile
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path
from typing import Any
from uuid import UUID

from hypothesis import given, settings
from hypothesis import strategies as st
from sqlalchemy import event as sql_event

from tests.support.databases import ON_POSTGRESQL, migrated
from tests.unit.metering.fakes import NODE, NOON, FakeLog, FixedMeters, event, meter
from tests.unit.metering.test_intake import caught_up, intake
from tollway.kernel.instants import to_micros
from tollway.metering.intake import Intake
from tollway.metering.meters import Aggregation, Dimension, MeterFilter, SummedField
from tollway.metering.models import ShardId, UsageEvent, bucket_of
from tollway.storage.database import Database
from tollway.storage.metering import SqlUsageStorage
from tollway.storage.tables import metering as tables

SHARDS = [ShardId(NODE, 1, 0), ShardId(NODE, 1, 1), ShardId("f" * 32, 7, 0)]
BEGINS = NOON + timedelta(minutes=20, microseconds=7)
METERS = [
    meter("api_calls", 1, filter=MeterFilter(statuses=frozenset({"2xx"})), effective_until=BEGINS),
    meter("api_calls", 2, effective_from=BEGINS, dimensions=(Dimension.METHOD,)),
    meter("bytes", 3, aggregation=Aggregation.SUM, summed=SummedField.BYTES_OUT),
]

EVENTS = st.builds(
    event,
    time=st.integers(0, 3600 * 10**6).map(lambda micros: NOON + timedelta(microseconds=micros))
    | st.sampled_from([BEGINS, BEGINS - timedelta(microseconds=1), NOON + timedelta(minutes=15)]),
    consumer=st.sampled_from([None, UUID(int=1), UUID(int=2)]),
    status=st.sampled_from([200, 204, 404]),
    method=st.sampled_from(["GET", "POST"]),
    completion=st.sampled_from(["complete", "complete", "client_abort"]),
    bytes_out=st.integers(0, 2**40),
    part=st.sampled_from([0, 0, 1]),
)
APPEND = st.tuples(st.just("append"), st.sampled_from(SHARDS), st.lists(EVENTS, max_size=5))
STEP = st.tuples(st.just("step"), st.integers(0, 1), st.integers(1, 6))
CRASH = st.tuples(st.just("crash"), st.integers(0, 1), st.integers(0, 12))


class Crashed(Exception):
    pass


@contextmanager
def _storage() -> Iterator[tuple[Database, SqlUsageStorage]]:
    with tempfile.TemporaryDirectory() as folder:
        database = migrated(Path(folder), "usage")
        yield database, SqlUsageStorage(database)
        database.close()


@contextmanager
def _crash_at(database: Database, statement: int) -> Iterator[None]:
    """Fail at the given one of the statements that change something; the last one is the commit."""
    left = [statement]

    def count(*_: Any) -> None:
        left[0] -= 1
        if left[0] < 0:
            raise Crashed

    def execute(_c: Any, _cursor: Any, text: str, *_: Any) -> None:
        if not text.startswith("SELECT"):
            count()

    sql_event.listen(database.engine, "before_cursor_execute", execute)
    sql_event.listen(database.engine, "commit", count)
    try:
        yield
    finally:
        sql_event.remove(database.engine, "before_cursor_execute", execute)
        sql_event.remove(database.engine, "commit", count)


def _expected(events: list[UsageEvent]) -> Counter[tuple[Any, ...]]:
    """What should be stored, worked out one event at a time from the meters' definitions."""
    expected: Counter[tuple[Any, ...]] = Counter()
    for one in events:

        def add(number: int, quantity: int, dimensions: str, one: UsageEvent = one) -> None:
            consumer = bytes(16) if one.consumer is None else one.consumer.bytes
            expected[bucket_of(to_micros(one.time)), consumer, number, dimensions] += quantity

        if one.part == 0 and one.completion == "complete":
            if one.time >= BEGINS:
                add(2, 1, f'{{"method":"{one.method}"}}')
            elif one.status < 300:
                add(1, 1, "{}")
        add(3, one.bytes_out, "{}")
    return +expected  # without zeros: nothing says how they are kept


def _stored(database: Database) -> Counter[tuple[Any, ...]]:
    with database.read() as connection:
        rows = connection.execute(tables.RECORD.select()).all()
    return +Counter({(row.bucket, row.consumer, row.meter[-1], row.dimensions): row.quantity for row in rows})


@settings(max_examples=20 if ON_POSTGRESQL else 60, deadline=None)
@given(acts=st.lists(APPEND | STEP | CRASH, max_size=25))
def test_every_event_counts_exactly_once(acts: list[tuple[Any, ...]]) -> None:
    log = FakeLog()
    source = FixedMeters(*METERS)
    with _storage() as (database, storage):
        workers: list[Intake] = [intake(log, storage, source) for _ in range(2)]
        for name, which, amount in acts:
            if name == "append":
                log.append(*amount, shard=which)
            elif name == "step":
                workers[which].step(amount)
            else:
                try:
                    with _crash_at(database, amount):
                        workers[which].step(1000)
                except Crashed:
                    workers[which] = intake(log, storage, source)  # a new process knows nothing
        for worker in workers:
            caught_up(worker, 7)
        everything = [one for events in log.shards.values() for one in events]
        assert _stored(database) == _expected(everything)
        before = _stored(database)
        caught_up(intake(log, storage, source))
        assert _stored(database) == before


@settings(max_examples=20, deadline=None)
@given(
    events=st.lists(EVENTS, max_size=12),
    order=st.permutations(SHARDS),
    sizes=st.lists(st.integers(1, 5), min_size=1),
)
def test_neither_the_order_of_shards_nor_the_size_of_batches_matters(
    events: list[UsageEvent], order: list[ShardId], sizes: list[int]
) -> None:
    stored = []
    for shards in (SHARDS, order):
        log = FakeLog()
        with _storage() as (database, storage):
            worker = intake(log, storage, FixedMeters(*METERS))
            for index, one in enumerate(events):
                log.append(one, shard=shards[index % 3])
                worker.step(sizes[index % len(sizes)])
            caught_up(worker)
            stored.append(_stored(database))
    assert stored[0] == stored[1] == _expected(events)
