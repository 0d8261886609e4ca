"""Whose usage a report is: consumers by name, and the phases of their subscriptions (main database)."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any, NamedTuple
from uuid import UUID

from sqlalchemy import Connection, select

from tollway.kernel.mode import Mode
from tollway.metering.external import Attribution, UsageReport
from tollway.storage.database import Database
from tollway.storage.statements import portions
from tollway.storage.tables.billing import SUBSCRIPTION, SUBSCRIPTION_PHASE
from tollway.storage.tables.gateway import CONSUMER

__all__ = ["SqlAttributions"]

_ALMOST_A_SECOND = timedelta(microseconds=999_999)
_CANONICAL = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")


class _Consumer(NamedTuple):
    id: UUID
    customer: UUID | None
    test_mode: bool


class _Phase(NamedTuple):
    id: UUID
    customer: UUID
    test_mode: bool
    starts_at: datetime
    ends_at: datetime | None

    def covers(self, instant: datetime) -> bool:
        return self.starts_at <= instant and (self.ends_at is None or instant < self.ends_at)


class SqlAttributions:
    """`tollway.metering.ports.Attributions` over the main database."""

    def __init__(self, main: Database) -> None:
        self._main = main

    def of(self, reports: Sequence[UsageReport], now: datetime, *, early: bool) -> list[Attribution | None]:
        """See `Attributions.of`."""
        with self._main.read() as connection:
            consumers = _consumers(connection, sorted({report.subject for report in reports}))
            phases = _phases(connection, sorted({consumer.id for consumer in consumers.values()}))
        found: list[Attribution | None] = []
        for report in reports:
            consumer = consumers.get(report.subject)
            if consumer is None:
                found.append(None)
                continue
            phase = _in_force(report, phases[consumer.id], now, early=early)
            if phase is None:
                found.append(Attribution(consumer.id, consumer.customer, None, consumer.test_mode))
            else:
                found.append(Attribution(consumer.id, phase.customer, phase.id, phase.test_mode))
        return found


def _consumers(connection: Connection, subjects: Sequence[str]) -> dict[str, _Consumer]:
    """Return consumers by what reports call them: a username goes before a custom id, that before an id."""
    found: dict[str, _Consumer] = {}
    for column in (CONSUMER.c.id, CONSUMER.c.custom_id, CONSUMER.c.username):
        wanted: Sequence[Any] = subjects
        if column is CONSUMER.c.id:
            wanted = [UUID(subject) for subject in subjects if _CANONICAL.fullmatch(subject)]
        for some in portions(wanted):
            for row in connection.execute(select(CONSUMER, column.label("called")).where(column.in_(some))):
                found[str(row.called)] = _Consumer(row.id, row.customer_id, row.mode == Mode.TEST)
    return found


def _phases(connection: Connection, consumers: Sequence[UUID]) -> Mapping[UUID, list[_Phase]]:
    found: dict[UUID, list[_Phase]] = defaultdict(list)
    for some in portions(consumers):
        rows = connection.execute(
            select(
                SUBSCRIPTION_PHASE,
                SUBSCRIPTION.c.consumer_id,
                SUBSCRIPTION.c.customer_id,
                SUBSCRIPTION.c.mode,
            )
            .join(SUBSCRIPTION, SUBSCRIPTION.c.id == SUBSCRIPTION_PHASE.c.subscription_id)
            .where(SUBSCRIPTION.c.consumer_id.in_(some))
            .order_by(SUBSCRIPTION_PHASE.c.starts_at, SUBSCRIPTION_PHASE.c.position)
        )
        for row in rows:
            phase = _Phase(row.id, row.customer_id, row.mode == Mode.TEST, row.starts_at, row.ends_at)
            found[row.consumer_id].append(phase)
    return found


def _in_force(report: UsageReport, phases: Sequence[_Phase], now: datetime, *, early: bool) -> _Phase | None:
    # A phase that has not begun may still be given up; one that has is there for good.
    instant = min(report.time, now)
    instants = [instant]
    if report.whole_second:
        # Who reports in seconds may mean any instant of that one, also after a subscription began within it.
        instants.append(min(instant + _ALMOST_A_SECOND, now))
    for moment in instants:
        for phase in phases:
            if phase.covers(moment):
                return phase
    return phases[0] if early and phases and instant < phases[0].starts_at else None
