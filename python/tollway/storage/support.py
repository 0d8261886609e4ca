"""The repository of tickets."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any
from uuid import UUID

from sqlalchemy import Connection, Row, func, insert, select, update

from tollway.kernel.errors import NotFound
from tollway.storage.tables.support import TICKET, TICKET_MESSAGE
from tollway.support.models import Author, Message, Side, Ticket, TicketStatus, TicketSummary

__all__ = ["SqlTickets"]


class SqlTickets:
    """`tollway.support.ports.Tickets` within the transaction of a connection."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    def get(self, ticket: UUID, *, organisation: UUID | None = None, lock: bool = False) -> Ticket:
        """See `Tickets.get`."""
        query = select(TICKET).where(TICKET.c.id == ticket)
        if organisation is not None:
            query = query.where(TICKET.c.organisation_id == organisation)
        # SQLite has no row locks and needs none: a write transaction is alone.
        row = self._connection.execute(query.with_for_update() if lock else query).one_or_none()
        if row is None:
            raise NotFound("ticket", str(ticket))
        messages = self._connection.execute(
            select(TICKET_MESSAGE)
            .where(TICKET_MESSAGE.c.ticket_id == ticket)
            .order_by(TICKET_MESSAGE.c.position)
        )
        return Ticket(
            id=row.id,
            organisation=row.organisation_id,
            subject=row.subject,
            status=TicketStatus(row.status),
            messages=tuple(_message(message) for message in messages),
            opened_at=row.opened_at,
            changed_at=row.changed_at,
        )

    def page(
        self,
        *,
        organisation: UUID | None = None,
        status: TicketStatus | None = None,
        limit: int = 50,
        skip: int = 0,
    ) -> Sequence[TicketSummary]:
        """See `Tickets.page`."""
        last = (
            select(TICKET_MESSAGE.c.ticket_id, func.max(TICKET_MESSAGE.c.position).label("position"))
            .group_by(TICKET_MESSAGE.c.ticket_id)
            .subquery()
        )
        query = (
            select(TICKET, TICKET_MESSAGE.c.position, TICKET_MESSAGE.c.author_name)
            .join(last, last.c.ticket_id == TICKET.c.id)
            .join(
                TICKET_MESSAGE,
                (TICKET_MESSAGE.c.ticket_id == TICKET.c.id) & (TICKET_MESSAGE.c.position == last.c.position),
            )
            .order_by(TICKET.c.changed_at.desc(), TICKET.c.id.desc())
            .limit(limit)
            .offset(skip)
        )
        if organisation is not None:
            query = query.where(TICKET.c.organisation_id == organisation)
        if status is not None:
            query = query.where(TICKET.c.status == status.value)
        return [_summary(row) for row in self._connection.execute(query)]

    def counts(self, *, organisation: UUID | None = None) -> Mapping[TicketStatus, int]:
        """See `Tickets.counts`."""
        query = select(TICKET.c.status, func.count()).group_by(TICKET.c.status)
        if organisation is not None:
            query = query.where(TICKET.c.organisation_id == organisation)
        found = {row[0]: row[1] for row in self._connection.execute(query)}
        return {status: found.get(status.value, 0) for status in TicketStatus}

    def save(self, ticket: Ticket) -> None:
        """See `Tickets.save`."""
        values = {
            "organisation_id": ticket.organisation,
            "subject": ticket.subject,
            "status": ticket.status.value,
            "opened_at": ticket.opened_at,
            "changed_at": ticket.changed_at,
        }
        known = TICKET.c.id == ticket.id
        if self._connection.execute(update(TICKET).where(known).values(values)).rowcount == 0:
            self._connection.execute(insert(TICKET).values({"id": ticket.id, **values}))
        stored = self._connection.scalar(
            select(func.count()).where(TICKET_MESSAGE.c.ticket_id == ticket.id).select_from(TICKET_MESSAGE)
        )
        for position, message in enumerate(ticket.messages[stored:], start=stored or 0):
            self._connection.execute(
                insert(TICKET_MESSAGE).values(
                    ticket_id=ticket.id,
                    position=position,
                    side=message.author.side.value,
                    author_id=message.author.id,
                    author_name=message.author.name[:200],
                    text=message.text,
                    written_at=message.written_at,
                )
            )


def _message(row: Row[Any]) -> Message:
    return Message(
        author=Author(Side(row.side), row.author_id, row.author_name),
        text=row.text,
        written_at=row.written_at,
    )


def _summary(row: Row[Any]) -> TicketSummary:
    return TicketSummary(
        id=row.id,
        organisation=row.organisation_id,
        subject=row.subject,
        status=TicketStatus(row.status),
        messages=row.position + 1,
        last_author=row.author_name,
        opened_at=row.opened_at,
        changed_at=row.changed_at,
    )
