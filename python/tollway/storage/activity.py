"""Activity in the usage database: `tollway.metering.activity.ActivityQuery`."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import ColumnElement, func, select

from tollway.kernel.instants import from_micros, to_micros
from tollway.metering.activity import HOUR_MICROS, ActivityKey, ActivityRow, By
from tollway.storage.database import Database
from tollway.storage.tables.metering import ACTIVITY

__all__ = ["SqlActivity"]

_DAY_MICROS = 24 * HOUR_MICROS
_HOUR = ACTIVITY.c.hour


class SqlActivity:
    """Reads activity, each answer from one view of the usage database."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def activity(
        self,
        *,
        start: datetime,
        end: datetime,
        by: Sequence[By],
        customer: UUID | None = None,
        consumer: UUID | None = None,
        test_mode: bool | None = None,
    ) -> Sequence[ActivityRow]:
        """See `ActivityQuery.activity`."""
        c = ACTIVITY.c
        first = to_micros(start)
        conditions = [first - first % HOUR_MICROS <= _HOUR, to_micros(end) > _HOUR]
        if customer is not None:
            conditions.append(c.customer == customer.bytes)
        if consumer is not None:
            conditions.append(c.consumer == consumer.bytes)
        if test_mode is not None:
            conditions.append(c.test_mode.is_(test_mode))
        keys = [_COLUMNS[name].label(f"key_{index}") for index, name in enumerate(by)]
        sums = [func.sum(column) for column in (c.requests, c.units, c.bytes_out)]
        statement = select(*keys, *sums, func.max(c.last)).where(*conditions).group_by(*keys).order_by(*keys)
        if not keys:
            # Without it, nothing would be one row of nulls.
            statement = statement.having(func.count() > 0)
        read = [_READERS[name] for name in by]
        with self._database.read() as connection:
            rows = connection.execute(statement).all()
        return [_row(row, read) for row in rows]


def _row(row: Sequence[Any], read: Sequence[Callable[[Any], ActivityKey]]) -> ActivityRow:
    keys = tuple(reader(value) for reader, value in zip(read, row, strict=False))
    # PostgreSQL's sum of bigint is numeric.
    requests, units, bytes_out, last = (int(value) for value in row[len(read) :])
    return ActivityRow(keys, requests, units, bytes_out, from_micros(last))


def _identifier(raw: bytes) -> UUID | None:
    return UUID(bytes=bytes(raw)) if any(raw) else None


_COLUMNS: Mapping[By, ColumnElement[Any]] = {
    "hour": _HOUR,
    "day": _HOUR - _HOUR % _DAY_MICROS,
    "route": ACTIVITY.c.route,
    "credential": ACTIVITY.c.credential,
    "status": ACTIVITY.c.status,
    "consumer": ACTIVITY.c.consumer,
    "endpoint": ACTIVITY.c.endpoint,
}
_READERS: Mapping[By, Callable[[Any], ActivityKey]] = {
    "hour": from_micros,
    "day": from_micros,
    "route": _identifier,
    "credential": _identifier,
    "status": lambda status: status or None,
    "consumer": _identifier,
    "endpoint": lambda endpoint: endpoint or None,
}
