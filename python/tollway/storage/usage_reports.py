"""The repository of usage told to providers."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import ColumnElement, Connection, and_, exists, func, select, update

from tollway.billing.payments.exporting import Part, Subject, Told
from tollway.storage.statements import upsert
from tollway.storage.tables.payments import USAGE_REPORT, USAGE_REPORTED

__all__ = ["SqlUsageReports"]

_C = USAGE_REPORT.c


class SqlUsageReports:
    """`tollway.billing.payments.ports.UsageReports` within the transaction of a connection."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    def planned_until(self, provider: str) -> datetime | None:
        """See `UsageReports.planned_until`."""
        query = select(USAGE_REPORTED.c.planned_until).where(USAGE_REPORTED.c.provider == provider)
        return self._connection.scalar(query)

    def told(self, provider: str, start: datetime, up_to: int | None = None) -> Mapping[Subject, Told]:
        """See `UsageReports.told`."""
        query = select(
            _C.customer_id, _C.meter, func.sum(_C.quantity).label("quantity"), func.count().label("parts")
        ).where(_C.provider == provider, _C.window_start == start)
        if up_to is not None:
            refused = and_(_C.done_at.is_not(None), _C.problem.is_not(None))
            query = query.where(_C.number <= up_to, ~refused)
        rows = self._connection.execute(query.group_by(_C.customer_id, _C.meter))
        return {Subject(row.customer_id, row.meter): Told(int(row.quantity), row.parts) for row in rows}

    def plan(self, provider: str, parts: Sequence[Part], until: datetime, now: datetime) -> None:
        """See `UsageReports.plan`."""
        if parts:
            self._connection.execute(
                upsert(self._connection, USAGE_REPORT).on_conflict_do_nothing(),
                [
                    {
                        "provider": provider,
                        "customer_id": part.subject.customer,
                        "meter": part.subject.meter,
                        "window_start": part.start,
                        "number": part.number,
                        "quantity": part.quantity,
                        "look_at": now,
                        "tries": 0,
                    }
                    for part in parts
                ],
            )
        self._connection.execute(
            upsert(self._connection, USAGE_REPORTED)
            .values(provider=provider, planned_until=until)
            .on_conflict_do_update(index_elements=[USAGE_REPORTED.c.provider], set_={"planned_until": until})
        )

    def due(self, provider: str, now: datetime, limit: int) -> Sequence[Part]:
        """See `UsageReports.due`."""
        earlier = USAGE_REPORT.alias().c
        waits = exists().where(
            earlier.provider == _C.provider,
            earlier.customer_id == _C.customer_id,
            earlier.meter == _C.meter,
            earlier.window_start == _C.window_start,
            earlier.number < _C.number,
            earlier.look_at.is_not(None),
        )
        query = (
            select(USAGE_REPORT)
            .where(_C.provider == provider, _C.look_at <= now, ~waits)
            .order_by(_C.look_at, _C.window_start, _C.customer_id, _C.meter, _C.number)
            .limit(limit)
        )
        return [_part(row) for row in self._connection.execute(query)]

    def sending(self, provider: str, part: Part, now: datetime) -> None:
        """See `UsageReports.sending`."""
        self._set(provider, part, first_sent_at=now)

    def done(self, provider: str, part: Part, now: datetime, problem: str | None = None) -> None:
        """See `UsageReports.done`."""
        self._set(provider, part, look_at=None, done_at=now, problem=problem)

    def put_off(self, provider: str, part: Part, until: datetime, problem: str) -> None:
        """See `UsageReports.put_off`."""
        self._set(provider, part, look_at=until, tries=part.tries + 1, problem=problem[:500])

    def _set(self, provider: str, part: Part, **values: Any) -> None:
        self._connection.execute(update(USAGE_REPORT).where(_is(provider, part)).values(values))


def _is(provider: str, part: Part) -> ColumnElement[bool]:
    return and_(
        _C.provider == provider,
        _C.customer_id == part.subject.customer,
        _C.meter == part.subject.meter,
        _C.window_start == part.start,
        _C.number == part.number,
    )


def _part(row: Any) -> Part:
    return Part(
        subject=Subject(row.customer_id, row.meter),
        start=row.window_start,
        number=row.number,
        quantity=row.quantity,
        first_sent_at=row.first_sent_at,
        tries=row.tries,
    )
