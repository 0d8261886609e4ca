"""Metering a log into a real usage database, a batch at a time."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any

import pytest

from tests.unit.metering.fakes import NODE, NOON, SHARD, SIZE, FakeLog, FixedMeters, event, meter
from tollway.kernel.clock import ManualClock
from tollway.metering.intake import Intake, Step
from tollway.metering.meters import Meter
from tollway.metering.models import FaultKind, LogFault, NodeAct, ShardId
from tollway.metering.ports import MeterSource, UsageStorage
from tollway.metering.query import StoredUsage

SECOND = ShardId(NODE, 1, 1)
OTHER = ShardId("0" * 31 + "2", 1, 0)


def intake(log: FakeLog, storage: UsageStorage, meters: MeterSource) -> Intake:
    return Intake(log, storage, meters, ManualClock(NOON))


def caught_up(worker: Intake, max_events: int = 1000) -> list[Step]:
    steps = [worker.step(max_events)]
    while not steps[-1].caught_up:
        steps.append(worker.step(max_events))
    return steps


def total(log: FakeLog, storage: UsageStorage, meters: MeterSource, **selection: Any) -> int:
    reading = StoredUsage(log, storage, meters).quantities(**selection)
    return int(sum(quantity.quantity for quantity in reading.quantities))


METERS = FixedMeters(meter())


def test_everything_is_metered_once(log: FakeLog, storage: UsageStorage) -> None:
    log.append(*(event() for _ in range(10)))
    log.append(*(event() for _ in range(5)), shard=SECOND)
    worker = intake(log, storage, METERS)
    assert [step.events for step in caught_up(worker, 4)] == [4, 4, 4, 3]
    assert total(log, storage, METERS) == 15
    caught_up(worker)
    caught_up(intake(log, storage, METERS))
    assert total(log, storage, METERS) == 15
    with storage.read() as store:
        assert store.cursors().offsets == {SHARD: 10 * SIZE, SECOND: 5 * SIZE}


def test_a_second_worker_yields(log: FakeLog, storage: UsageStorage) -> None:
    log.append(*(event() for _ in range(10)))
    slow, fast = intake(log, storage, METERS), intake(log, storage, METERS)
    slow.step(3)
    fast.step(5)
    assert slow.step(3) == Step(0, caught_up=False)  # its cursors have moved: nothing stored
    caught_up(fast)
    caught_up(slow)
    assert total(log, storage, METERS) == 10


def test_two_workers_that_begin_at_nothing_do_not_double(log: FakeLog, storage: UsageStorage) -> None:
    log.append(event())
    first, second = intake(log, storage, METERS), intake(log, storage, METERS)
    aggregate = log.aggregate
    calls: list[int] = []

    def overtaken(*arguments: Any) -> Any:
        batch = aggregate(*arguments)
        if not calls:
            calls.append(1)
            first.step(1000)
        return batch

    log.aggregate = overtaken  # type: ignore[method-assign]
    assert not second.step(1000).caught_up
    assert total(log, storage, METERS) == 1


def test_a_failed_write_leaves_nothing_behind(log: FakeLog, storage: UsageStorage) -> None:
    log.append(*(event() for _ in range(3)))

    class Full(Exception):
        pass

    class Failing:
        """Fails at the last statement of the first transaction that writes records."""

        def __init__(self) -> None:
            self.failed = False

        def read(self) -> Any:
            return storage.read()

        def write(self) -> Any:
            transaction = storage.write()
            outer = self

            class Watched:
                def __enter__(self) -> Any:
                    self.store = transaction.__enter__()
                    return self

                def __exit__(self, *error: object) -> Any:
                    return transaction.__exit__(*error)

                def __getattr__(self, name: str) -> Any:
                    if name == "set_watermarks" and not outer.failed:
                        outer.failed = True
                        raise Full
                    return getattr(self.store, name)

            return Watched()

    worker = intake(log, Failing(), METERS)
    with pytest.raises(Full):
        worker.step(1000)
    assert total(log, storage, METERS) == 0
    caught_up(worker)
    assert total(log, storage, METERS) == 3


class MetersReadLate:
    """A meter that comes into effect while the log is being looked at, and events that go on meanwhile."""

    def __init__(self, log: FakeLog) -> None:
        self.log = log
        self.stored: list[Meter] = []
        self.reads = 0

    def meters(self) -> Sequence[Meter]:
        self.reads += 1
        if self.reads == 1:
            # Between the look at the marks and this call: a meter is made, and is used at once.
            self.stored.append(meter(effective_from=NOON + timedelta(seconds=1)))
            self.log.append(event(NOON + timedelta(seconds=2)))
        return list(self.stored)


def test_meters_are_read_after_the_marks(log: FakeLog, storage: UsageStorage) -> None:
    log.append(event(NOON), event(NOON + timedelta(seconds=1)))
    source = MetersReadLate(log)
    worker = intake(log, storage, source)
    (step,) = caught_up(worker)
    # The event that came after the look waits for the next sweep; the one before it is counted by
    # the meter that was made after the look, since it is not before the meter's beginning.
    assert step.events == 2
    assert total(log, storage, source) == 1
    caught_up(worker)
    assert total(log, storage, source) == 2


@pytest.mark.parametrize("late", [False, True])
def test_counting_does_not_depend_on_when_the_worker_runs(
    log: FakeLog, storage: UsageStorage, *, late: bool
) -> None:
    begins, ends = NOON + timedelta(minutes=5), NOON + timedelta(minutes=7)
    old = meter(number=1, effective_until=begins)
    source = FixedMeters(meter(number=1))
    worker = intake(log, storage, source)
    for minute in range(10):
        if NOON + timedelta(minutes=minute) == begins:
            source.fixed = [old, meter(number=2, effective_from=begins)]
        if NOON + timedelta(minutes=minute) == ends:
            new = meter(number=2, effective_from=begins, effective_until=ends)
            source.fixed = [old, new]
        log.append(event(NOON + timedelta(minutes=minute)))
        if not late:
            caught_up(worker)
    caught_up(worker)
    with storage.read() as store:
        records = {record.meter[-1]: record.quantity for record in store.totals(start=None, end=None)}
    assert records == {1: 5, 2: 2}


def test_a_cursor_beyond_its_log_stops_the_shard_and_its_node_alone(
    log: FakeLog, storage: UsageStorage
) -> None:
    log.append(*(event() for _ in range(4)))
    log.append(event(), shard=SECOND)
    log.append(event(), shard=OTHER)
    worker = intake(log, storage, METERS)
    caught_up(worker)
    del log.shards[SHARD][2:]
    log.append(event(), shard=SECOND)
    log.append(event(), shard=OTHER)
    log.now += timedelta(hours=1)
    fault = LogFault(SHARD, FaultKind.BEYOND_END, 4 * SIZE, 2 * SIZE)
    assert [step.alarms for step in caught_up(worker)] == [(fault,)]
    assert [step.alarms for step in caught_up(worker)] == [()]  # one alarm a process
    log.append(event())
    caught_up(worker)
    assert total(log, storage, METERS) == 8  # what was metered stands, the shard stays stopped
    with storage.read() as store:
        assert store.faults() == [fault]
        stopped, other = store.nodes()
    assert stopped.watermark == log.now - timedelta(hours=1)
    assert other.watermark == log.now


def test_a_log_that_is_gone_is_a_cursor_beyond_its_end(log: FakeLog, storage: UsageStorage) -> None:
    log.append(event())
    worker = intake(log, storage, METERS)
    caught_up(worker)
    del log.shards[SHARD]
    log.now += timedelta(hours=1)
    assert worker.step(1000).alarms == (LogFault(SHARD, FaultKind.BEYOND_END, SIZE, 0),)
    (node,) = StoredUsage(log, storage, METERS).nodes()
    assert node.lags(log.now)


def test_holes_and_quarantined_stretches_are_kept(log: FakeLog, storage: UsageStorage) -> None:
    log.append(*(event() for _ in range(4)))
    log.faults = [
        LogFault(SHARD, FaultKind.HOLE, SIZE, 2 * SIZE),
        LogFault(SHARD, FaultKind.QUARANTINED, 3 * SIZE, 4 * SIZE),
    ]
    (step,) = caught_up(intake(log, storage, METERS))
    assert step.alarms == tuple(log.faults)
    with storage.read() as store:
        assert store.faults() == log.faults


def _watermark(storage: UsageStorage) -> datetime | None:
    with storage.read() as store:
        (node,) = store.nodes()
    return node.watermark


def test_the_watermark_waits_until_the_whole_sweep_is_stored(log: FakeLog, storage: UsageStorage) -> None:
    log.append(*(event() for _ in range(3)))
    log.append(event(), shard=SECOND)
    log.synced_at = {SHARD: NOON + timedelta(minutes=3), SECOND: NOON + timedelta(minutes=2)}
    worker = intake(log, storage, METERS)
    worker.step(2)
    assert _watermark(storage) is None
    log.append(event())  # what comes later than the look is the next sweep's
    log.synced_at = dict.fromkeys(log.synced_at, NOON + timedelta(minutes=9))
    worker.step(1000)
    assert _watermark(storage) == NOON + timedelta(minutes=2)
    caught_up(worker)
    assert _watermark(storage) == NOON + timedelta(minutes=9)


def test_a_closed_log_does_not_hold_its_node_back(log: FakeLog, storage: UsageStorage) -> None:
    log.append(event())
    log.synced_at = {SHARD: NOON}
    log.closed = {SHARD}
    caught_up(intake(log, storage, METERS))
    assert _watermark(storage) == log.now


def test_an_idle_worker_stores_watermarks_now_and_then(log: FakeLog, storage: UsageStorage) -> None:
    log.append(event())
    worker = intake(log, storage, METERS)
    worker.step(1000)
    begin = log.now
    log.now += timedelta(milliseconds=100)
    worker.step(1000)
    assert _watermark(storage) == begin
    worker.step(1000, store_watermarks=True)
    assert _watermark(storage) == log.now
    log.now += timedelta(seconds=1)
    worker.step(1000)
    assert _watermark(storage) == log.now


def test_nodes_are_met_and_retired_ones_that_run_are_waited_for_again(
    log: FakeLog, storage: UsageStorage
) -> None:
    log.append(event())
    worker = intake(log, storage, METERS)
    assert worker.step(1000).registered == (NODE,)
    with storage.write() as store:
        store.decide(NodeAct(NODE, "retire", "ann", "its disk burnt", NOON))
    log.closed = {SHARD}
    assert worker.step(1000).reinstated == ()
    log.closed = set()
    assert worker.step(1000).reinstated == (NODE,)
    (node,) = StoredUsage(log, storage, METERS).nodes()
    assert node.retired_at is None
