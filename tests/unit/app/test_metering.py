"""The worker's loop and draining, over an in-memory log and a real usage database."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from structlog.testing import capture_logs

from tests.support.databases import migrated
from tests.unit.metering.fakes import NODE, NOON, SHARD, SIZE, FakeLog, FixedMeters, event, meter
from tollway.app.metering import MeteringWorker
from tollway.kernel.clock import ManualClock
from tollway.kernel.errors import Conflict, InvalidInput
from tollway.metering.errors import LogUnreadable
from tollway.metering.intake import Intake, Step
from tollway.metering.models import FaultKind, LogFault, NodeAct
from tollway.storage.metering import SqlUsageStorage

METERS = FixedMeters(meter())


@pytest.fixture
def storage(tmp_path: Path) -> Iterator[SqlUsageStorage]:
    database = migrated(tmp_path, "usage")
    yield SqlUsageStorage(database)
    database.close()


@pytest.fixture
def log() -> FakeLog:
    return FakeLog(NOON)


@pytest.fixture
def worker(log: FakeLog, storage: SqlUsageStorage) -> MeteringWorker:
    clock = ManualClock(NOON)
    return MeteringWorker(Intake(log, storage, METERS, clock), storage, clock)


def _total(storage: SqlUsageStorage) -> int:
    with storage.read() as store:
        return sum(record.quantity for record in store.totals(start=None, end=None))


def test_drained_means_complete(log: FakeLog, storage: SqlUsageStorage, worker: MeteringWorker) -> None:
    worker.drain(NOON)  # no node, nothing to wait for
    log.append(*(event() for _ in range(10)))
    worker.drain(NOON)
    assert _total(storage) == 10


def test_draining_waits_for_the_mark(log: FakeLog, storage: SqlUsageStorage, worker: MeteringWorker) -> None:
    log.append(event(), event())
    log.readable[SHARD], log.synced_at[SHARD] = SIZE, NOON - timedelta(seconds=1)

    def sync() -> None:
        log.readable[SHARD], log.synced_at[SHARD] = 2 * SIZE, NOON

    timer = threading.Timer(0.1, sync)
    timer.start()
    worker.drain(NOON)
    timer.join()
    assert _total(storage) == 2


def test_what_cannot_be_drained_names_the_node_and_the_fix(
    log: FakeLog, storage: SqlUsageStorage, worker: MeteringWorker
) -> None:
    log.append(event())
    log.synced_at[SHARD] = NOON - timedelta(hours=1)
    with pytest.raises(Conflict, match=rf"{NODE} is complete only up to 2026-11-01T11:00:00Z.*node retire"):
        worker.drain(NOON, timeout=timedelta(0))
    with storage.write() as store:
        store.decide(NodeAct(NODE, "retire", "ann", "gone", NOON))
    log.closed = {SHARD}
    worker.drain(NOON, timeout=timedelta(0))


def test_settling_says_what_may_be_missing(log: FakeLog, worker: MeteringWorker) -> None:
    log.append(event())
    log.synced_at[SHARD] = NOON - timedelta(hours=1)
    with capture_logs() as lines:
        worker.settle(timeout=timedelta(0))
    assert lines[-1]["complete_until"] == "2026-11-01T11:00:00Z"
    log.synced_at[SHARD] = NOON
    with capture_logs() as lines:
        worker.settle(timeout=timedelta(0))
    assert lines == []


def test_the_future_cannot_be_drained(worker: MeteringWorker) -> None:
    with pytest.raises(InvalidInput, match="2026-11-01T12:00:01Z is ahead of now"):
        worker.drain(NOON + timedelta(seconds=1))


def test_the_loop_goes_on_after_a_fault_and_ends_when_told(
    log: FakeLog, storage: SqlUsageStorage, worker: MeteringWorker, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tollway.app.metering._FAULT_SECONDS", 0.01)
    log.append(event())
    aggregate, failures = log.aggregate, [LogUnreadable("segment 3 is missing; restore it")]

    def failing(*arguments: Any) -> Any:
        if failures:
            raise failures.pop()
        return aggregate(*arguments)

    log.aggregate = failing  # type: ignore[method-assign]
    stop = threading.Event()
    with capture_logs() as lines:
        thread = threading.Thread(target=worker.run_forever, args=(stop,))
        thread.start()
        give_up = time.monotonic() + 5
        while _total(storage) == 0 and time.monotonic() < give_up:
            time.sleep(0.01)
        stop.set()
        thread.join(5)
    assert not thread.is_alive()
    assert _total(storage) == 1
    assert [line["error"] for line in lines if "error" in line] == ["segment 3 is missing; restore it"]


def test_alarms_are_said_once(log: FakeLog, worker: MeteringWorker) -> None:
    log.append(event(), event())
    log.faults = [
        LogFault(SHARD, FaultKind.HOLE, 0, SIZE),
        LogFault(SHARD, FaultKind.QUARANTINED, SIZE, 2 * SIZE),
    ]
    with capture_logs() as lines:
        worker.catch_up()
        worker.catch_up()
    assert [line["log_level"] for line in lines] == ["info", "warning", "error"]
    assert lines[2]["shard"] == f"{NODE}/1/0"
    assert (lines[2]["start"], lines[2]["end"]) == (SIZE, 2 * SIZE)


def test_batches_grow_while_there_is_much_to_do(log: FakeLog, worker: MeteringWorker) -> None:
    worker._max_events = 2
    log.append(*(event() for _ in range(2 + 4 + 8)))
    assert [worker.run_once().events for _ in range(3)] == [2, 4, 8]
    worker._adapt(4.0, full=True)
    assert worker._max_events == 16_000  # never fewer


def test_the_worker_rests_in_proportion_to_its_work(
    worker: MeteringWorker, monkeypatch: pytest.MonkeyPatch
) -> None:
    spent, rests = iter([0.001, 0.1, 5.0]), list[float]()
    now = 0.0

    def thread_time() -> float:
        return now

    def run_once() -> Step:
        nonlocal now
        now += next(spent)
        return Step(1, caught_up=True)

    class Stop(threading.Event):
        def wait(self, timeout: float | None = None) -> bool:
            assert timeout is not None
            rests.append(round(timeout, 6))
            if len(rests) == 3:
                self.set()
            return self.is_set()

    monkeypatch.setattr("tollway.app.metering.time.thread_time", thread_time)
    monkeypatch.setattr(worker, "run_once", run_once)
    worker.run_forever(Stop())
    assert rests == [0.1, 4.0, 10.0]
