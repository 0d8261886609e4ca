"""Metering a real usage log: written by the engine, read in place, by workers that are killed."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from uuid import UUID

import pytest

from tests.support.databases import migrated, url_of
from tests.support.metered import NODE, Metered
from tollway import _native
from tollway.kernel.instants import to_micros
from tollway.metering.errors import LogUnreadable
from tollway.metering.models import FaultKind, ShardId
from tollway.metering.ports import EventSelection

CUSTOMER, CONSUMER, PHASE, ROUTE = (UUID(int=number) for number in (1, 2, 3, 4))
NOON = datetime(2026, 11, 1, 12, tzinfo=UTC)


@pytest.fixture
def metered(tmp_path: Path) -> Iterator[Metered]:
    database = migrated(tmp_path, "usage")
    (tmp_path / "usage-log").mkdir()
    yield Metered(tmp_path, database)
    database.close()


def append(writer: _native.UsageWriter, number: int, shard: int = 0, status: int = 200) -> None:
    for _ in range(number):
        writer.append(
            shard,
            request_id=os.urandom(16),
            customer=CUSTOMER.bytes,
            consumer=CONSUMER.bytes,
            phase=PHASE.bytes,
            route=ROUTE.bytes,
            status=status,
        )


def test_an_event_as_it_was_written(metered: Metered) -> None:
    writer = metered.writer(now_us=to_micros(NOON))
    offset, _ = writer.append(
        request_id=bytes(range(16)),
        consumer=CONSUMER.bytes,
        route=ROUTE.bytes,
        config_version=9,
        bytes_in=10,
        bytes_out=11,
        units=12,
        duration_us=13,
        upstream_us=14,
        status=503,
        part=1,
        last=False,
        completion="upstream_abort",
        source="cache",
        test_mode=True,
        grpc_status=15,
        attempts=2,
        method="PATCH",
        path="/v1/é",
    )
    shard = ShardId(NODE, writer.epoch, 0)
    writer.close()
    metered.worker.catch_up()
    (event,) = metered.query.events(EventSelection())
    assert event.shard == shard
    assert (event.offset, event.request_id) == (offset, bytes(range(16)).hex())
    assert abs(event.time - NOON) < timedelta(seconds=1)
    assert event.duration == timedelta(microseconds=13)
    assert event.upstream_wait == timedelta(microseconds=14)
    assert (event.consumer, event.route) == (CONSUMER, ROUTE)
    assert {event.credential, event.customer, event.phase, event.service} == {None}
    assert (event.config_version, event.bytes_in, event.bytes_out, event.units) == (9, 10, 11, 12)
    assert (event.part, event.last, event.completion, event.source) == (1, False, "upstream_abort", "cache")
    assert (event.test_mode, event.status, event.grpc_status, event.attempts) == (True, 503, 15, 2)
    assert (event.method, event.path) == ("PATCH", "/v1/é")


def test_what_is_served_is_metered_while_the_gateway_runs(metered: Metered) -> None:
    writer = metered.writer(shards=2)
    append(writer, 30)
    append(writer, 20, shard=1)
    append(writer, 7, status=404)
    metered.worker.drain(datetime.now(UTC))
    assert metered.total() == 50
    assert len(list(metered.query.events(EventSelection()))) == 57
    assert len(list(metered.query.events(EventSelection(meter="api_calls", phase=PHASE)))) == 50
    append(writer, 1, shard=1)
    metered.worker.drain(datetime.now(UTC))
    assert metered.total() == 51
    writer.close()
    metered.worker.drain(datetime.now(UTC))
    assert metered.total() == 51


def test_an_idle_gateway_does_not_hold_an_invoice_up(metered: Metered) -> None:
    writer = metered.writer()
    append(writer, 1)
    metered.worker.drain(datetime.now(UTC))
    for _ in range(3):
        metered.worker.drain(datetime.now(UTC), timedelta(seconds=3))
    writer.close()


def test_a_killed_gateway_s_usage_is_complete_without_it(metered: Metered) -> None:
    for _ in range(3):
        writer = metered.writer(shards=2)
        append(writer, 5)
        append(writer, 5, shard=1)
        writer.abandon()
    metered.worker.drain(datetime.now(UTC))
    assert metered.total() == 30


def test_a_range_is_exact_to_the_microsecond(metered: Metered) -> None:
    writer = metered.writer(now_us=to_micros(NOON))
    times = []
    for minute in range(40):
        writer.set_now(to_micros(NOON + timedelta(minutes=minute)))
        _, time = writer.append(customer=CUSTOMER.bytes)
        times.append(time)
    writer.close()
    metered.worker.catch_up()
    instants = [datetime.fromtimestamp(0, UTC) + timedelta(microseconds=time) for time in times]
    tick = timedelta(microseconds=1)
    for first, last in ((0, 40), (3, 17), (15, 30), (14, 31), (7, 8), (0, 1)):
        assert metered.total(instants[first], instants[last - 1] + tick) == last - first
        assert metered.total(instants[first] + tick, instants[last - 1]) == max(0, last - first - 2)


def test_a_damaged_stretch_is_reported_and_the_rest_is_metered(metered: Metered) -> None:
    writer = metered.writer()
    append(writer, 10)
    writer.close()
    (segment,) = metered.directory.glob(f"{NODE}/*/0/*.seg")
    content = bytearray(segment.read_bytes())
    content[600] ^= 0xFF
    segment.write_bytes(content)
    metered.worker.catch_up()
    assert metered.total() == 9
    with metered.storage.read() as store:
        (fault,) = store.faults()
    assert fault.kind is FaultKind.QUARANTINED
    assert 0 < fault.end - fault.start < 600


def test_a_log_that_was_lost_stops_its_node(metered: Metered) -> None:
    writer = metered.writer()
    append(writer, 10)
    writer.close()
    metered.worker.catch_up()
    for file in metered.directory.glob(f"{NODE}/*/0/*"):
        file.unlink()
    with pytest.raises(LogUnreadable, match="mark"):
        metered.new_worker().catch_up()


def test_any_number_of_workers_count_everything_once(metered: Metered) -> None:
    writer = metered.writer(shards=2)
    stop = threading.Event()
    workers = [threading.Thread(target=metered.new_worker().run_forever, args=(stop,)) for _ in range(3)]
    for worker in workers:
        worker.start()
    for round_ in range(30):
        append(writer, 20, shard=round_ % 2)
        stop.wait(0.01)
    writer.close()
    stop.set()
    for worker in workers:
        worker.join()
    metered.worker.drain(datetime.now(UTC))
    assert metered.total() == 600


@pytest.mark.parametrize("place", ["metering.before_commit", "metering.after_commit"])
def test_a_worker_that_is_killed_around_the_commit(metered: Metered, tmp_path: Path, place: str) -> None:
    writer = metered.writer()
    for _ in range(2):
        append(writer, 10)
        writer.close()
        killed = subprocess.run(
            [sys.executable, "-m", "tests.support.metered", str(tmp_path), url_of(tmp_path, "usage")],
            env=os.environ | {"TOLLWAY_FAILPOINT": place},
            check=False,
            timeout=30,
        )
        assert killed.returncode == -signal.SIGKILL
        writer = metered.writer()
    writer.close()
    metered.worker.catch_up()
    assert metered.total() == 20
