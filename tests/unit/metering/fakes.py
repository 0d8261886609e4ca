"""An in-memory usage log and a fixed set of meters."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from datetime import UTC, datetime, timedelta
from itertools import count
from typing import Any
from uuid import UUID

from tollway.kernel.instants import to_micros
from tollway.metering.activity import HOUR_MICROS, ActivityRecord
from tollway.metering.meters import Aggregation, Meter
from tollway.metering.models import (
    Batch,
    CursorVector,
    Group,
    LogFault,
    LogView,
    ShardId,
    ShardState,
    UsageEvent,
    bucket_of,
)
from tollway.metering.ports import EventSelection

NODE = "0" * 31 + "1"
SHARD = ShardId(NODE, 1, 0)
NOON = datetime(2026, 11, 1, 12, tzinfo=UTC)
SIZE = 64
"""What a record takes in the fake log."""

_requests = count(1)


def meter(name: str = "api_calls", number: int = 1, **facts: Any) -> Meter:
    facts.setdefault("aggregation", Aggregation.COUNT)
    facts.setdefault("effective_from", datetime(2026, 1, 1, tzinfo=UTC))
    return Meter(id=UUID(int=number), name=name, **facts)


def event(time: datetime = NOON, **facts: Any) -> UsageEvent:
    values: dict[str, Any] = {
        "shard": SHARD,
        "offset": 0,
        "request_id": f"{next(_requests):032x}",
        "time": time,
        "duration": timedelta(milliseconds=3),
        "upstream_wait": timedelta(milliseconds=2),
        "consumer": UUID(int=10),
        "credential": None,
        "customer": UUID(int=20),
        "phase": UUID(int=30),
        "route": UUID(int=40),
        "service": UUID(int=50),
        "config_version": 1,
        "bytes_in": 7,
        "bytes_out": 11,
        "units": 1,
        "part": 0,
        "last": True,
        "completion": "complete",
        "source": "upstream",
        "test_mode": False,
        "status": 200,
        "grpc_status": None,
        "attempts": 1,
        "method": "GET",
        "path": "/",
    }
    return UsageEvent(**{**values, **facts})


class FixedMeters:
    def __init__(self, *meters: Meter) -> None:
        self.fixed = list(meters)

    def meters(self) -> Sequence[Meter]:
        return list(self.fixed)


class FakeLog:
    """Shards are lists of events; everything appended is readable at once, unless `readable` says less."""

    def __init__(self, now: datetime = NOON + timedelta(days=1)) -> None:
        self.now = now
        self.shards: dict[ShardId, list[UsageEvent]] = defaultdict(list)
        self.readable: dict[ShardId, int] = {}
        self.synced_at: dict[ShardId, datetime] = {}
        self.closed: set[ShardId] = set()
        self.faults: list[LogFault] = []
        self.read_from_log = 0

    def append(self, *events: UsageEvent, shard: ShardId = SHARD) -> None:
        for one in events:
            offset = len(self.shards[shard]) * SIZE
            values = {name: getattr(one, name) for name in one.__slots__}
            self.shards[shard].append(UsageEvent(**{**values, "shard": shard, "offset": offset}))

    def recover(self) -> None:
        pass

    def view(self) -> LogView:
        return LogView(
            self.now,
            tuple(
                ShardState(
                    shard,
                    self.readable.get(shard, len(events) * SIZE),
                    self.synced_at.get(shard, self.now),
                    shard in self.closed,
                )
                for shard, events in sorted(self.shards.items())
            ),
        )

    def aggregate(
        self, start: CursorVector, end: CursorVector, cuts: Sequence[datetime], max_events: int
    ) -> Batch:
        totals: dict[tuple[Any, ...], list[int]] = defaultdict(lambda: [0] * 6)
        after = {shard: start[shard] for shard in end}
        faults: list[LogFault] = []
        taken = 0
        for shard in end:
            for one in self.shards[shard][start[shard] // SIZE : end[shard] // SIZE]:
                if taken == max_events:
                    return _batch(totals, after, faults, taken, done=False)
                for index, amount in enumerate(
                    (1, int(one.part == 0), one.units, one.bytes_in, one.bytes_out)
                ):
                    totals[_key(one, cuts)][index] += amount
                sums = totals[_key(one, cuts)]
                sums[5] = max(sums[5], to_micros(one.time))
                faults.extend(f for f in self.faults if f.shard == shard and f.start == one.offset)
                after[shard] = one.offset + SIZE
                taken += 1
        return _batch(totals, after, faults, taken, done=True)

    def events(
        self, start: CursorVector, end: CursorVector, selection: EventSelection
    ) -> Iterator[UsageEvent]:
        self.read_from_log += 1
        for shard in sorted(end):
            for one in self.shards[shard][start[shard] // SIZE : end[shard] // SIZE]:
                if (
                    selection.customer in {None, one.customer}
                    and selection.consumer in {None, one.consumer}
                    and selection.phase in {None, one.phase}
                    and (selection.start is None or one.time >= selection.start)
                    and (selection.end is None or one.time < selection.end)
                ):
                    yield one


def _batch(
    totals: dict[tuple[Any, ...], list[int]],
    after: dict[ShardId, int],
    faults: list[LogFault],
    taken: int,
    *,
    done: bool,
) -> Batch:
    groups = list(_groups(totals))
    return Batch(groups, activity_of(groups), CursorVector(after), tuple(faults), taken, done)


def activity_of(groups: Iterable[Group]) -> list[ActivityRecord]:
    """Say again, plainly, what the engine adds up for pages."""
    sums: dict[tuple[Any, ...], list[Group]] = defaultdict(list)
    for one in groups:
        hour = one.start - one.start % HOUR_MICROS
        key = (hour, one.customer, one.consumer, one.credential, one.route, one.status, one.test_mode, "")
        sums[key].append(one)
    return [
        ActivityRecord(
            *key,
            requests=sum(one.requests for one in found),
            units=sum(one.units for one in found),
            bytes_out=sum(one.bytes_out for one in found),
            last=max(one.last for one in found),
        )
        for key, found in sorted(sums.items())
    ]


def _key(one: UsageEvent, cuts: Sequence[datetime]) -> tuple[Any, ...]:
    time = to_micros(one.time)
    start = max(
        [bucket_of(time), *(to_micros(cut) for cut in cuts if bucket_of(time) < to_micros(cut) <= time)]
    )
    whose = (one.customer, one.consumer, one.credential, one.phase)
    ids = [bytes(16) if value is None else value.bytes for value in whose]
    places = [bytes(16) if value is None else value.bytes for value in (one.route, one.service)]
    answer = (one.status, one.grpc_status, one.method, one.completion, one.source)
    return (start, *ids, one.test_mode, *places, *answer)


def _groups(totals: dict[tuple[Any, ...], list[int]]) -> list[Group]:
    return [Group(*key, *amounts) for key, amounts in totals.items()]
