"""Usage records, cursors and nodes in the usage database: `tollway.metering.ports.UsageStorage`."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import datetime
from functools import lru_cache
from typing import Any, cast
from uuid import UUID

from sqlalchemy import Connection, Select, Table, and_, bindparam, func, insert, or_, select, update
from sqlalchemy.dialects import postgresql, sqlite

from tollway.kernel.errors import NotFound
from tollway.metering.activity import ActivityRecord
from tollway.metering.errors import CursorMoved
from tollway.metering.external import ExternalEvent
from tollway.metering.models import (
    CursorVector,
    FaultKind,
    LogFault,
    NodeAct,
    NodeState,
    ShardId,
    UsageRecord,
)
from tollway.metering.ports import EventSelection
from tollway.storage.database import Database
from tollway.storage.external_events import events_of, last_position, totals_of
from tollway.storage.tables.metering import ACTIVITY, CURSOR, LOG_FAULT, NODE, NODE_ACT, RECORD

__all__ = ["SqlUsageStorage", "SqlUsageStore"]


class SqlUsageStorage:
    """Opens transactions on the usage database."""

    def __init__(self, database: Database) -> None:
        self._database = database

    @contextmanager
    def read(self) -> Iterator[SqlUsageStore]:
        """One consistent view."""
        with self._database.read() as connection:
            yield SqlUsageStore(connection)

    @contextmanager
    def write(self) -> Iterator[SqlUsageStore]:
        """One transaction: committed when the block ends, rolled back when it raises."""
        with self._database.write() as connection:
            yield SqlUsageStore(connection)


class SqlUsageStore:
    """`tollway.metering.ports.UsageStore` within the transaction of a connection."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        sqlite_ = connection.dialect.name == "sqlite"
        self._insert = sqlite.insert if sqlite_ else postgresql.insert

    def cursors(self) -> CursorVector:
        """See `UsageStore.cursors`."""
        rows = self._connection.execute(select(CURSOR))
        return CursorVector({ShardId(row.node, row.epoch, row.shard): row.offset for row in rows})

    def move_cursors(self, before: CursorVector, after: CursorVector) -> None:
        """See `UsageStore.move_cursors`."""
        for shard in after:
            if not self._move(shard, before[shard], after[shard]):
                raise CursorMoved(shard, before[shard])

    def _move(self, shard: ShardId, before: int, after: int) -> bool:
        key = shard._asdict()
        if before == 0:
            new = self._insert(CURSOR).values(**key, offset=after).on_conflict_do_nothing()
            return self._connection.execute(new).rowcount == 1
        here = and_(*(CURSOR.c[name] == value for name, value in key.items()), CURSOR.c.offset == before)
        return self._connection.execute(update(CURSOR).where(here).values(offset=after)).rowcount == 1

    def add_records(self, records: Sequence[UsageRecord]) -> None:
        """See `UsageStore.add_records`."""
        new = self._insert(RECORD)
        sums = {name: RECORD.c[name] + new.excluded[name] for name in ("quantity", "events")}
        self._add(new, sums, UsageRecord._fields, records)

    def add_activity(self, activity: Sequence[ActivityRecord]) -> None:
        """See `UsageStore.add_activity`."""
        new = self._insert(ACTIVITY)
        later = func.max if self._connection.dialect.name == "sqlite" else func.greatest
        changed = {
            **{name: ACTIVITY.c[name] + new.excluded[name] for name in ("requests", "units", "bytes_out")},
            "last": later(ACTIVITY.c.last, new.excluded.last),
        }
        self._add(new, changed, ActivityRecord._fields, activity)

    def _add(
        self,
        new: sqlite.Insert | postgresql.Insert,
        changed: Mapping[str, Any],
        fields: Sequence[str],
        rows: Sequence[UsageRecord] | Sequence[ActivityRecord],
    ) -> None:
        """Insert the rows; where a key is there already, set what `changed` says."""
        if not rows:
            return
        upsert = new.on_conflict_do_update(
            index_elements=list(cast("Table", new.table).primary_key.columns), set_=changed
        )
        # Straight to the driver: per row, SQLAlchemy's own handling costs twice what SQLite's work does.
        compiled = upsert.compile(dialect=self._connection.dialect, column_keys=fields)
        # In the key's order, pages are touched one after the other, and two writers can't deadlock.
        ordered: list[Any] = sorted(rows)
        self._connection.exec_driver_sql(
            str(compiled), ordered if compiled.positional else [row._asdict() for row in ordered]
        )

    def add_faults(self, faults: Sequence[LogFault], at: datetime) -> None:
        """See `UsageStore.add_faults`."""
        for fault in faults:
            self._connection.execute(
                self._insert(LOG_FAULT)
                .values(
                    **fault.shard._asdict(), kind=fault.kind, start=fault.start, end=fault.end, noticed_at=at
                )
                .on_conflict_do_nothing()
            )

    def faults(self) -> Sequence[LogFault]:
        """See `UsageStore.faults`."""
        c = LOG_FAULT.c
        rows = self._connection.execute(select(LOG_FAULT).order_by(c.node, c.epoch, c.shard, c.start))
        return [
            LogFault(ShardId(row.node, row.epoch, row.shard), FaultKind(row.kind), row.start, row.end)
            for row in rows
        ]

    def totals(
        self,
        *,
        start: int | None,
        end: int | None,
        customer: UUID | None = None,
        consumer: UUID | None = None,
        phase: UUID | None = None,
    ) -> Sequence[UsageRecord]:
        """See `UsageStore.totals`."""
        given = {
            "start": start,
            "end": end,
            "customer": customer and customer.bytes,
            "consumer": consumer and consumer.bytes,
            "phase": phase and phase.bytes,
        }
        wanted = {name: value for name, value in given.items() if value is not None}
        rows = self._connection.execute(_totals(frozenset(wanted)), wanted)
        return [
            UsageRecord(
                0,
                row.customer,
                row.consumer,
                row.phase,
                row.meter,
                row.test_mode,
                "{}",
                # PostgreSQL's sum of bigint is numeric.
                int(row.quantity),
                int(row.events),
            )
            for row in rows
        ]

    def external_position(self) -> int:
        """See `UsageStore.external_position`."""
        return last_position(self._connection)

    def external_totals(self, selection: EventSelection) -> Sequence[UsageRecord]:
        """See `UsageStore.external_totals`."""
        return totals_of(self._connection, selection)

    def external_events(self, selection: EventSelection) -> Iterator[ExternalEvent]:
        """See `UsageStore.external_events`."""
        return events_of(self._connection, selection)

    def nodes(self) -> Sequence[NodeState]:
        """See `UsageStore.nodes`."""
        rows = self._connection.execute(select(NODE).order_by(NODE.c.node))
        return [NodeState(row.node, row.watermark, row.registered_at, row.retired_at) for row in rows]

    def register(self, node: str, at: datetime) -> None:
        """See `UsageStore.register`."""
        statement = self._insert(NODE).values(node=node, registered_at=at).on_conflict_do_nothing()
        self._connection.execute(statement)

    def set_watermarks(self, watermarks: Mapping[str, datetime]) -> None:
        """See `UsageStore.set_watermarks`."""
        for node, at in watermarks.items():
            # Of two workers the slower may come later with what it saw earlier.
            behind = or_(NODE.c.watermark.is_(None), NODE.c.watermark < at)
            self._connection.execute(update(NODE).where(NODE.c.node == node, behind).values(watermark=at))

    def decide(self, act: NodeAct) -> None:
        """See `UsageStore.decide`."""
        retired_at = act.at if act.act == "retire" else None
        changed = self._connection.execute(
            update(NODE).where(NODE.c.node == act.node).values(retired_at=retired_at)
        )
        if changed.rowcount != 1:
            raise NotFound("node", act.node, "tollway node list shows them")
        self._connection.execute(
            insert(NODE_ACT).values(node=act.node, act=act.act, actor=act.actor, reason=act.reason, at=act.at)
        )

    def acts(self) -> Sequence[NodeAct]:
        """See `UsageStore.acts`."""
        rows = self._connection.execute(select(NODE_ACT).order_by(NODE_ACT.c.id))
        return [NodeAct(row.node, row.act, row.actor, row.reason, row.at) for row in rows]


# Invoicing asks thousands of times: building the statement would take longer than running it.
@lru_cache
def _totals(given: frozenset[str]) -> Select[Any]:
    c = RECORD.c
    key = (c.customer, c.consumer, c.phase, c.meter, c.test_mode)
    conditions = {
        "start": c.bucket >= bindparam("start"),
        "end": c.bucket < bindparam("end"),
        "customer": c.customer == bindparam("customer"),
        "consumer": c.consumer == bindparam("consumer"),
        "phase": c.phase == bindparam("phase"),
    }
    return (
        select(*key, func.sum(c.quantity).label("quantity"), func.sum(c.events).label("events"))
        .where(*(condition for name, condition in conditions.items() if name in given))
        .group_by(*key)
    )
