from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from uuid import UUID

import pytest
from sqlalchemy.exc import DataError, IntegrityError

from tests.support.databases import ON_POSTGRESQL, migrated
from tests.unit.metering.fakes import NODE, NOON, SHARD
from tollway.kernel.errors import NotFound
from tollway.metering.errors import CursorMoved
from tollway.metering.models import CursorVector, FaultKind, LogFault, NodeAct, NodeState, UsageRecord
from tollway.storage.metering import SqlUsageStorage

RECORD = UsageRecord(0, UUID(int=1).bytes, bytes(16), bytes(16), UUID(int=4).bytes, False, "{}", 3, 2)


@pytest.fixture
def storage(tmp_path: Path) -> Iterator[SqlUsageStorage]:
    database = migrated(tmp_path, "usage")
    yield SqlUsageStorage(database)
    database.close()


def test_a_cursor_moves_only_from_where_it_stands(storage: SqlUsageStorage) -> None:
    at = {offset: CursorVector({SHARD: offset}) for offset in (0, 5, 9)}
    with storage.write() as store:
        store.move_cursors(at[0], at[5])
    for before in (0, 9):
        with pytest.raises(CursorMoved, match="from offset"), storage.write() as store:
            store.move_cursors(at[before], at[9])
    with storage.write() as store:
        assert store.cursors() == at[5]
        store.move_cursors(at[5], at[9])
        assert store.cursors() == at[9]


def test_records_with_one_key_add_up(storage: SqlUsageStorage) -> None:
    with storage.write() as store:
        store.add_records([])
        store.add_records([RECORD, RECORD._replace(bucket=1)])
        store.add_records([RECORD._replace(quantity=10, events=1)])
        assert store.totals(start=None, end=None) == [RECORD._replace(quantity=16, events=5)]
        assert store.totals(start=1, end=None) == [RECORD]
        assert store.totals(start=None, end=1, customer=UUID(int=1)) == [
            RECORD._replace(quantity=13, events=3)
        ]
        assert store.totals(start=None, end=None, phase=UUID(int=9)) == []


def test_a_quantity_beyond_63_bits_is_refused_and_never_a_float(storage: SqlUsageStorage) -> None:
    with storage.write() as store:
        store.add_records([RECORD._replace(quantity=2**63 - 1)])
    with pytest.raises((IntegrityError, DataError), match=r"whole|out of range"), storage.write() as store:
        store.add_records([RECORD])


@pytest.mark.usefixtures("storage")
def test_records_are_stored_without_a_rowid_of_their_own(tmp_path: Path) -> None:
    if ON_POSTGRESQL:
        return  # which has no such thing
    with sqlite3.connect(tmp_path / "usage.db") as connection:
        (sql,) = connection.execute("SELECT sql FROM sqlite_master WHERE name = 'usage_record'").fetchone()
    connection.close()
    assert sql.rstrip().endswith("WITHOUT ROWID")


def test_a_fault_is_kept_once(storage: SqlUsageStorage) -> None:
    faults = [LogFault(SHARD, FaultKind.HOLE, 64, 128), LogFault(SHARD, FaultKind.BEYOND_END, 640, 128)]
    with storage.write() as store:
        store.add_faults(faults, NOON)
        store.add_faults(faults, NOON)
        assert store.faults() == faults


def test_a_node_is_registered_once_and_its_watermark_never_goes_back(storage: SqlUsageStorage) -> None:
    later = NOON + timedelta(seconds=1)
    with storage.write() as store:
        store.register(NODE, NOON)
        store.register(NODE, later)
        assert store.nodes() == [NodeState(NODE, None, NOON, None)]
        store.set_watermarks({NODE: later, "f" * 32: later})
        store.set_watermarks({NODE: NOON})
        assert store.nodes() == [NodeState(NODE, later, NOON, None)]


def test_what_was_decided_about_a_node_is_kept(storage: SqlUsageStorage) -> None:
    acts = [
        NodeAct(NODE, "retire", "ann", "its disk burnt", NOON),
        NodeAct(NODE, "reinstate", "metering", "it runs", NOON + timedelta(hours=1)),
    ]
    with storage.write() as store:
        store.register(NODE, NOON)
        store.decide(acts[0])
        assert store.nodes()[0].retired_at == NOON
        store.decide(acts[1])
        assert store.nodes()[0].retired_at is None
        assert store.acts() == acts
    with pytest.raises(NotFound, match="tollway node list"), storage.write() as store:
        store.decide(NodeAct("0" * 32, "retire", "ann", "?", NOON))
