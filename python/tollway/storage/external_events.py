"""The events from elsewhere as usage queries read them, on a connection to the usage database."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any
from uuid import UUID

from sqlalchemy import ColumnElement, Connection, func, select

from tollway.kernel.instants import from_micros, to_micros
from tollway.metering.external import EXTERNAL, UNITS_METER, ExternalEvent
from tollway.metering.models import UsageRecord
from tollway.metering.ports import EventSelection
from tollway.storage.tables.metering import EXTERNAL_EVENT, POSITION

__all__ = ["events_of", "last_position", "raw", "row_of", "totals_of"]

_PAGE = 1000


def last_position(connection: Connection) -> int:
    """Return how many events from elsewhere were ever stored."""
    return int(connection.scalar(select(POSITION.c.position).where(POSITION.c.name == "event")) or 0)


def totals_of(connection: Connection, selection: EventSelection) -> Sequence[UsageRecord]:
    """Add up the events of a selection as usage records of bucket 0, its range to the microsecond."""
    c = EXTERNAL_EVENT.c
    key = (c.customer, c.consumer, c.phase, c.test_mode)
    rows = connection.execute(
        select(*key, func.sum(c.units).label("units"), func.count().label("events"))
        .where(*_conditions(selection))
        .group_by(*key)
    )
    return [
        UsageRecord(
            0,
            bytes(row.customer),
            bytes(row.consumer),
            bytes(row.phase),
            UNITS_METER.bytes,
            row.test_mode,
            "{}",
            # PostgreSQL's sum of bigint is numeric.
            int(row.units),
            row.events,
        )
        for row in rows
    ]


def events_of(connection: Connection, selection: EventSelection) -> Iterator[ExternalEvent]:
    """Yield the events of a selection in the order of their storing, read page by page."""
    after = 0
    while True:
        rows = connection.execute(
            select(EXTERNAL_EVENT)
            .where(*_conditions(selection), EXTERNAL_EVENT.c.position > after)
            .order_by(EXTERNAL_EVENT.c.position)
            .limit(_PAGE)
        ).all()
        yield from map(_event, rows)
        if len(rows) < _PAGE:
            return
        after = rows[-1].position


def _conditions(selection: EventSelection) -> list[ColumnElement[bool]]:
    c = EXTERNAL_EVENT.c
    found = []
    for column, wanted in (
        (c.customer, selection.customer),
        (c.consumer, selection.consumer),
        (c.phase, selection.phase),
    ):
        if wanted is not None:
            found.append(column == wanted.bytes)
    if selection.start is not None:
        found.append(c.time >= to_micros(selection.start))
    if selection.end is not None:
        found.append(c.time < to_micros(selection.end))
    if selection.after is not None:
        found.append(c.position > selection.after[EXTERNAL])
    if selection.up_to is not None:
        found.append(c.position <= selection.up_to[EXTERNAL])
    return found


def _event(row: Any) -> ExternalEvent:
    return ExternalEvent(
        position=row.position,
        source=row.source,
        id=row.event_id,
        reporter=_identifier(row.reporter),
        received_at=row.received_at,
        time=from_micros(row.time),
        consumer=UUID(bytes=bytes(row.consumer)),
        customer=_identifier(row.customer),
        phase=_identifier(row.phase),
        test_mode=row.test_mode,
        endpoint=row.endpoint,
        units=row.units,
    )


def row_of(event: ExternalEvent) -> dict[str, Any]:
    """Return an event as a row of `external_event`."""
    return {
        "position": event.position,
        "reporter": raw(event.reporter),
        "source": event.source,
        "event_id": event.id,
        "received_at": event.received_at,
        "time": to_micros(event.time),
        "customer": raw(event.customer),
        "consumer": event.consumer.bytes,
        "phase": raw(event.phase),
        "test_mode": event.test_mode,
        "endpoint": event.endpoint,
        "units": event.units,
    }


def raw(identifier: UUID | None) -> bytes:
    """Return 16 bytes, zero for none."""
    return bytes(16) if identifier is None else identifier.bytes


def _identifier(raw: bytes) -> UUID | None:
    return UUID(bytes=bytes(raw)) if any(raw) else None
