"""The usage log as Python sees it: written by the engine's writer, read in place."""

from __future__ import annotations

import time
from pathlib import Path

import pytest

from tests.unit.metering.fakes import activity_of
from tollway import _native
from tollway.metering.models import Group

pytestmark = pytest.mark.one_database

NODE = "0123456789abcdef" * 2
QUARTER = 15 * 60 * 1_000_000
START = 1_780_000_000_000_000 // QUARTER * QUARTER
CONSUMER, CUSTOMER, PHASE, KEY = (bytes([number]) * 16 for number in (1, 2, 3, 4))


def writer(directory: Path, shards: int = 1) -> _native.UsageWriter:
    return _native.UsageWriter(str(directory), NODE, shards=shards, segment_bytes=8192, now_us=START)


def end(reader: _native.UsageReader) -> list[_native.Cursor]:
    return [(state.node, state.epoch, state.shard, state.readable) for state in reader.view().shards]


def test_groups_are_split_by_quarter_and_cut(tmp_path: Path) -> None:
    log = writer(tmp_path)
    for minute, part in ((0, 0), (1, 1), (5, 0), (16, 0)):
        log.set_now(START + minute * 60_000_000)
        log.append(
            consumer=CONSUMER,
            customer=CUSTOMER,
            credential=KEY,
            phase=PHASE,
            units=10,
            bytes_in=3,
            bytes_out=5,
            part=part,
            status=201,
            method="POST",
            completion="client_abort",
            source="cache",
            test_mode=True,
            grpc_status=7,
        )
    log.close()
    reader = _native.UsageReader(str(tmp_path))
    cut = START + 4 * 60_000_000
    batch = reader.aggregate([], end(reader), [cut], 1_000)
    none = bytes(16)
    same = (CUSTOMER, CONSUMER, KEY, PHASE, True, none, none, 201, 7, "POST", "client_abort", "cache")
    assert sorted(batch.groups) == [
        (START, *same, 2, 1, 20, 6, 10, START + 60_000_000),
        (cut, *same, 1, 1, 10, 3, 5, START + 5 * 60_000_000),
        (START + QUARTER, *same, 1, 1, 10, 3, 5, START + 16 * 60_000_000),
    ]
    assert (batch.events, batch.done, batch.faults) == (4, True, [])
    assert batch.activity == activity_of(map(Group._make, batch.groups))
    assert batch.after == end(reader)


def test_events_come_back_whole(tmp_path: Path) -> None:
    log = writer(tmp_path)
    offset, at = log.append(
        request_id=bytes(range(16)),
        credential=CONSUMER,
        route=CUSTOMER,
        service=PHASE,
        config_version=9,
        duration_us=100,
        upstream_us=60,
        attempts=2,
        method="BREW",
        path="/päth",
    )
    log.close()
    reader = _native.UsageReader(str(tmp_path))
    (event,) = reader.events([], end(reader))
    assert (event.node, event.epoch, event.shard, event.offset) == (NODE, 1, 0, offset)
    assert (event.request_id, event.time_us) == ("000102030405060708090a0b0c0d0e0f", at)
    assert (event.credential, event.route, event.service) == (CONSUMER, CUSTOMER, PHASE)
    assert (event.config_version, event.duration_us, event.upstream_us) == (9, 100, 60)
    assert (event.attempts, event.method, event.path) == (2, "OTHER", "/päth")
    assert (event.part, event.last, event.completion, event.source) == (0, True, "complete", "upstream")
    assert (event.status, event.grpc_status, event.test_mode, event.units) == (200, None, False, 1)


def test_events_can_be_selected(tmp_path: Path) -> None:
    log = writer(tmp_path, shards=2)
    for number in range(200):
        log.set_now(START + number)
        log.append(
            number % 2,
            consumer=CONSUMER if number % 10 == 0 else bytes(16),
            test_mode=number % 20 == 0,
            request_id=number.to_bytes(16),
            path="/" + "x" * 200,
        )
    log.close()
    reader = _native.UsageReader(str(tmp_path))

    def numbers(**selection: object) -> list[int]:
        found = reader.events([], end(reader), **selection)  # type: ignore[arg-type]
        return sorted(int(event.request_id, 16) for event in found)

    assert numbers() == list(range(200))
    assert numbers(consumer=CONSUMER) == list(range(0, 200, 10))
    assert numbers(consumer=CONSUMER, test_mode=False) == list(range(10, 200, 20))
    assert numbers(from_us=START + 90, to_us=START + 123) == list(range(90, 123))
    assert numbers(from_us=START + 500) == []
    assert numbers(customer=CUSTOMER) == []
    assert numbers(phase=PHASE) == []


def test_a_batch_goes_on_where_the_last_ended(tmp_path: Path) -> None:
    log = writer(tmp_path, shards=3)
    for number in range(300):
        log.append(number % 3)
    log.close()
    reader = _native.UsageReader(str(tmp_path))
    cursors: list[_native.Cursor] = []
    seen = 0
    for _ in range(300 // 7 + 1):
        batch = reader.aggregate(cursors, end(reader), [], 7)
        assert sum(group[13] for group in batch.groups) == batch.events <= 7
        cursors, seen = batch.after, seen + batch.events
    assert batch.done
    assert seen == 300
    assert cursors == end(reader)


def test_a_killed_gateway_is_read_after_recovery(tmp_path: Path) -> None:
    log = writer(tmp_path)
    log.append()
    log.abandon()
    reader = _native.UsageReader(str(tmp_path))
    assert len(reader.recover()) == 1
    assert reader.recover() == []
    (state,) = reader.view().shards
    assert state.closed
    assert reader.aggregate([], end(reader), [], 10).events == 1
    assert reader.view().watermark(NODE) >= time.time() * 1e6 - 10e6


def test_a_live_log_is_read_below_its_mark(tmp_path: Path) -> None:
    log = writer(tmp_path)
    log.append()
    reader = _native.UsageReader(str(tmp_path))
    deadline = time.monotonic() + 5
    while not (cursor := end(reader)[0])[3]:
        assert time.monotonic() < deadline
        time.sleep(0.01)
    assert reader.aggregate([], [cursor], [], 10).events == 1
    assert reader.view().watermark(NODE) == START
    assert reader.recover() == []
    log.close()


def test_a_cursor_beyond_the_end_is_said_so(tmp_path: Path) -> None:
    log = writer(tmp_path)
    log.append()
    log.close()
    reader = _native.UsageReader(str(tmp_path))
    ((node, epoch, shard, offset),) = end(reader)
    beyond = [(node, epoch, shard, offset + 8)]
    batch = reader.aggregate(beyond, end(reader), [], 10)
    assert batch.faults == [(node, epoch, shard, "beyond_end", offset + 8, offset)]
    assert batch.after == beyond
    with pytest.raises(_native.UsageLogError, match=f"can be read up to {offset}"):
        reader.aggregate([], beyond, [], 10)
    with pytest.raises(_native.UsageLogError, match="a cursor stands at"):
        next(iter(reader.events([], beyond)))


def test_damage_is_quarantined_with_its_range(tmp_path: Path) -> None:
    log = writer(tmp_path)
    offsets = [log.append(units=number)[0] for number in range(5)]
    log.close()
    (segment,) = tmp_path.glob("*/1/0/*.seg")
    content = bytearray(segment.read_bytes())
    content[64 + offsets[2] + 100] ^= 1
    segment.write_bytes(content)
    reader = _native.UsageReader(str(tmp_path))
    batch = reader.aggregate([], end(reader), [], 10)
    assert batch.faults == [(NODE, 1, 0, "quarantined", offsets[2], offsets[3])]
    assert sum(group[15] for group in batch.groups) == 0 + 1 + 3 + 4


def test_segments_go_once_every_reader_has_passed(tmp_path: Path) -> None:
    log = writer(tmp_path)
    for _ in range(200):
        log.append(path="/" + "x" * 300)
        time.sleep(0.0005)
    log.close()
    reader = _native.UsageReader(str(tmp_path))
    segments = len(list(tmp_path.glob("*/1/0/*.seg")))
    assert segments > 3
    assert reader.delete_passed([]) == 0
    assert reader.delete_passed([end(reader), []]) == 0
    assert reader.delete_passed([end(reader), end(reader)]) == segments
    assert reader.aggregate(end(reader), end(reader), [], 10).events == 0
    with pytest.raises(_native.UsageLogError, match="is missing"):
        reader.aggregate([], end(reader), [], 10)
    assert writer(tmp_path).epoch == 2


def test_bad_arguments_are_named(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match='node: is "x"; use 32 hex digits'):
        _native.UsageWriter(str(tmp_path), "x")
    with pytest.raises(ValueError, match='level: is "x"; use group, strict or relaxed'):
        _native.UsageWriter(str(tmp_path), NODE, level="x")  # type: ignore[arg-type]
    with pytest.raises(_native.UsageLogError, match="segment size: is 5 bytes; use a multiple of 4096"):
        _native.UsageWriter(str(tmp_path), NODE, segment_bytes=5)
    with pytest.raises(_native.UsageLogError, match="budget: is 1 bytes; 1 shards need at least"):
        _native.UsageWriter(str(tmp_path), NODE, budget_bytes=1)
