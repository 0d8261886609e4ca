"""Usage from elsewhere in the usage database, within one transaction of it.

Whoever stores first takes the lock of the positions: they are given out in the order of commits, without
gaps, so "the first N events" means the same to everybody and always.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from contextlib import contextmanager

from sqlalchemy import Connection, delete, func, insert, select, tuple_, update

from tollway.metering.external import (
    Attributed,
    ExternalEvent,
    Parked,
    activity_of_events,
    records_of_events,
)
from tollway.metering.redelivery import Deliveries, from_bytes, to_bytes
from tollway.storage.database import Database
from tollway.storage.external_events import raw, row_of
from tollway.storage.metering import SqlUsageStore
from tollway.storage.statements import portions, upsert
from tollway.storage.tables.metering import EXTERNAL_EVENT, PARKED, POSITION, QUEUE_STATE

__all__ = ["SqlExternalStorage", "SqlExternalStore"]

_Identity = tuple[bytes, str, str]


class SqlExternalStorage:
    """Opens transactions on usage from elsewhere."""

    def __init__(self, database: Database) -> None:
        self._database = database

    @contextmanager
    def read(self) -> Iterator[SqlExternalStore]:
        """One consistent view."""
        with self._database.read() as connection:
            yield SqlExternalStore(connection)

    @contextmanager
    def write(self) -> Iterator[SqlExternalStore]:
        """One transaction: committed when the block ends, rolled back when it raises."""
        with self._database.write() as connection:
            yield SqlExternalStore(connection)


class SqlExternalStore:
    """`tollway.metering.ports.ExternalStore` within the transaction of a connection."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    def add(self, reports: Sequence[Attributed]) -> list[bool]:
        """See `ExternalStore.add`."""
        position = self._locked("event")
        known = self._known(reports)
        added: list[bool] = []
        events: list[ExternalEvent] = []
        for report, whose, received_at in reports:
            identity = None if report.id is None else (raw(report.reporter), report.source, report.id)
            added.append(identity is None or identity not in known)
            if not added[-1]:
                continue
            if identity is not None:
                known.add(identity)
            events.append(
                ExternalEvent(
                    position=position + len(events) + 1,
                    source=report.source,
                    id=report.id,
                    reporter=report.reporter,
                    received_at=received_at,
                    time=report.time,
                    consumer=whose.consumer,
                    customer=whose.customer,
                    phase=whose.phase,
                    test_mode=whose.test_mode,
                    endpoint=report.endpoint,
                    units=report.units,
                )
            )
        if events:
            self._connection.execute(insert(EXTERNAL_EVENT), list(map(row_of, events)))
            self._move("event", events[-1].position)
            records = SqlUsageStore(self._connection)
            records.add_records(records_of_events(events))
            records.add_activity(activity_of_events(events))
        return added

    def park(self, messages: Sequence[Parked]) -> None:
        """See `ExternalStore.park`."""
        if not messages:
            return
        position = self._locked("parked")
        rows = [
            {
                "position": position + number,
                "queue": message.queue,
                "subject": message.subject,
                "body": message.body,
                "source": message.source,
                "event_id": message.id,
                "received_at": message.received_at,
            }
            for number, message in enumerate(messages, start=1)
        ]
        self._connection.execute(insert(PARKED), rows)
        self._move("parked", position + len(rows))

    def parked(self, *, after: int = 0, subject: str | None = None, limit: int = 1000) -> Sequence[Parked]:
        """See `ExternalStore.parked`."""
        query = select(PARKED).where(PARKED.c.position > after).order_by(PARKED.c.position).limit(limit)
        if subject is not None:
            query = query.where(PARKED.c.subject == subject)
        return [
            Parked(
                position=row.position,
                queue=row.queue,
                subject=row.subject,
                body=bytes(row.body),
                source=row.source,
                id=row.event_id,
                received_at=row.received_at,
            )
            for row in self._connection.execute(query)
        ]

    def unpark(self, positions: Sequence[int]) -> Collection[int]:
        """See `ExternalStore.unpark`."""
        found: set[int] = set()
        for some in portions(positions):
            gone = delete(PARKED).where(PARKED.c.position.in_(some)).returning(PARKED.c.position)
            found.update(self._connection.scalars(gone))
        return found

    def counts(self) -> tuple[int, int]:
        """See `ExternalStore.counts`."""
        events = self._connection.scalar(select(POSITION.c.position).where(POSITION.c.name == "event"))
        parked = self._connection.scalar(select(func.count()).select_from(PARKED))
        return int(events or 0), int(parked or 0)

    def deliveries(self, queue: str) -> Deliveries:
        """See `ExternalStore.deliveries`."""
        query = select(QUEUE_STATE).where(QUEUE_STATE.c.queue == queue)
        row = self._connection.execute(query).one_or_none()
        if row is None:
            return Deliveries.none()
        return Deliveries(from_bytes(bytes(row.in_flight)), from_bytes(bytes(row.pending)))

    def set_deliveries(self, queue: str, deliveries: Deliveries) -> None:
        """See `ExternalStore.set_deliveries`."""
        values = {"in_flight": to_bytes(deliveries.in_flight), "pending": to_bytes(deliveries.pending)}
        new = upsert(self._connection, QUEUE_STATE).values(queue=queue, **values)
        self._connection.execute(new.on_conflict_do_update(index_elements=[QUEUE_STATE.c.queue], set_=values))

    def _known(self, reports: Sequence[Attributed]) -> set[_Identity]:
        """Return which of the reports' identities are stored."""
        wanted = sorted(
            {
                (raw(report.reporter), report.source, report.id)
                for report, _, _ in reports
                if report.id is not None
            }
        )
        c = EXTERNAL_EVENT.c
        found: set[_Identity] = set()
        for some in portions(wanted):
            rows = self._connection.execute(
                select(c.reporter, c.source, c.event_id).where(
                    tuple_(c.reporter, c.source, c.event_id).in_(some)
                )
            )
            found.update((bytes(row.reporter), row.source, row.event_id) for row in rows)
        return found

    def _locked(self, name: str) -> int:
        """Return the last position given out; nobody else gives one out until this transaction ends."""
        query = select(POSITION.c.position).where(POSITION.c.name == name)
        return int(self._connection.scalars(query.with_for_update()).one())

    def _move(self, name: str, position: int) -> None:
        self._connection.execute(update(POSITION).where(POSITION.c.name == name).values(position=position))
