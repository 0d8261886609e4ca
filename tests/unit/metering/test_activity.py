"""What pages show of usage: every event, by hour and key, in the transaction that moves the cursor."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from uuid import UUID

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.support.databases import migrated
from tests.unit.metering.fakes import NOON, SHARD, FakeLog, FixedMeters, event, meter
from tollway.kernel.clock import ManualClock
from tollway.metering.activity import ActivityRow
from tollway.metering.intake import Intake
from tollway.metering.meters import MeterFilter
from tollway.storage.activity import SqlActivity
from tollway.storage.database import Database
from tollway.storage.metering import SqlUsageStorage

DAY = timedelta(days=1)
HOUR = timedelta(hours=1)
KEYS = (UUID(int=60), UUID(int=61))


@pytest.fixture
def database(tmp_path: Path) -> Iterator[Database]:
    database = migrated(tmp_path, "usage")
    yield database
    database.close()


def metered(database: Database, log: FakeLog, max_events: int = 1000) -> SqlActivity:
    meters = FixedMeters(meter(filter=MeterFilter(statuses=frozenset({"2xx"}))))
    intake = Intake(log, SqlUsageStorage(database), meters, ManualClock(NOON + DAY))
    while not intake.step(max_events).caught_up:
        pass
    return SqlActivity(database)


def test_every_event_is_in_it_by_key_and_status(database: Database, log: FakeLog) -> None:
    late = NOON + timedelta(minutes=59)
    log.append(
        event(NOON, credential=KEYS[0]),
        event(late, credential=KEYS[0], status=500, units=3),
        event(NOON + HOUR, credential=KEYS[1], test_mode=True, part=1),
    )
    query = metered(database, log)
    span = {"start": NOON, "end": NOON + DAY}
    assert query.activity(**span, by=["credential", "status"]) == [
        ActivityRow((KEYS[0], 200), 1, 1, 11, NOON),
        ActivityRow((KEYS[0], 500), 1, 3, 11, late),
        ActivityRow((KEYS[1], 200), 0, 1, 11, NOON + HOUR),  # a later part of a long exchange
    ]
    assert query.activity(**span, by=()) == [ActivityRow((), 2, 5, 33, NOON + HOUR)]
    assert query.activity(**span, by=["day"], test_mode=False) == [
        ActivityRow((datetime(2026, 11, 1, tzinfo=UTC),), 2, 4, 22, late)
    ]
    assert query.activity(**span, by=["hour", "endpoint"], test_mode=True) == [
        ActivityRow((NOON + HOUR, None), 0, 1, 11, NOON + HOUR)
    ]


def test_whole_hours_and_only_whose_it_is(database: Database, log: FakeLog) -> None:
    log.append(
        event(NOON - timedelta(microseconds=1), consumer=UUID(int=1)),
        event(NOON, consumer=UUID(int=2), customer=UUID(int=7)),
        event(NOON + HOUR, consumer=None),
    )
    query = metered(database, log)

    def consumers(start: datetime, end: datetime, customer: UUID | None = None) -> list[object]:
        rows = query.activity(start=start, end=end, by=["consumer"], customer=customer)
        return [row.keys[0] for row in rows]

    minute = timedelta(minutes=1)
    assert consumers(NOON + minute, NOON + 2 * minute) == [UUID(int=2)]
    assert consumers(NOON - minute, NOON) == [UUID(int=1)]
    assert consumers(NOON - DAY, NOON + DAY) == [None, UUID(int=1), UUID(int=2)]
    assert consumers(NOON - DAY, NOON + DAY, UUID(int=7)) == [UUID(int=2)]
    assert query.activity(start=NOON, end=NOON + DAY, by=(), consumer=UUID(int=9)) == []


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    answers=st.lists(
        st.tuples(
            st.integers(0, 3 * 3600 - 1),
            st.sampled_from(KEYS),
            st.sampled_from([200, 404]),
            st.integers(0, 9),
        ),
        max_size=40,
    ),
    max_events=st.integers(1, 50),
)
def test_however_it_is_batched_it_adds_up(
    tmp_path_factory: pytest.TempPathFactory,
    answers: list[tuple[int, UUID, int, int]],
    max_events: int,
) -> None:
    database = migrated(tmp_path_factory.mktemp("activity"), "usage")
    log = FakeLog()
    log.shards[SHARD] = []
    wanted: dict[tuple[datetime, UUID, int], list[int]] = defaultdict(lambda: [0, 0])
    for second, key, status, units in sorted(answers, key=lambda answer: answer[0]):
        at = NOON + timedelta(seconds=second)
        log.append(event(at, credential=key, status=status, units=units))
        sums = wanted[at.replace(minute=0, second=0), key, status]
        sums[0] += 1
        sums[1] += units
    rows = metered(database, log, max_events).activity(
        start=NOON, end=NOON + DAY, by=["hour", "credential", "status"]
    )
    database.close()
    assert {row.keys: [row.requests, row.units] for row in rows} == wanted
