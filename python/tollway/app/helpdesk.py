"""Tickets as customers and operators use them: each act is a transaction, its mails included."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from uuid import UUID

from sqlalchemy import Connection

from tollway.kernel.clock import Clock
from tollway.storage.database import Database
from tollway.storage.support import SqlTickets
from tollway.support import service
from tollway.support.models import Author, Ticket, TicketStatus, TicketSummary
from tollway.support.ports import Notices

__all__ = ["Helpdesk", "Silent"]


class Silent:
    """`Notices` that tell nobody: where no mail is set up, and in tests."""

    def written(self, ticket: object, message: object) -> None:
        """Do nothing."""


class Helpdesk:
    """The use cases of tickets.

    A customer's acts are told the organisation they act for, and find nothing of another: `NotFound` then,
    as if it did not exist. Operators leave it out and reach every ticket.
    """

    def __init__(
        self, database: Database, clock: Clock, notices: Callable[[Connection], Notices] = lambda _: Silent()
    ) -> None:
        self._database = database
        self._clock = clock
        self._notices = notices

    def ask(self, organisation: UUID, author: Author, subject: str, text: str) -> Ticket:
        """Open a ticket.

        Raises:
            InvalidInput: `subject` or `text` is empty or too long.
        """
        ticket = service.ask(organisation, author, subject, text, self._clock.now())
        with self._database.write() as connection:
            SqlTickets(connection).save(ticket)
            self._notices(connection).written(ticket, ticket.messages[-1])
        return ticket

    def reply(self, ticket: UUID, author: Author, text: str, *, organisation: UUID | None = None) -> Ticket:
        """Add a message; the other side gets a mail.

        Raises:
            InvalidInput: `text` is empty or too long.
            NotFound: no such ticket.
        """
        with self._database.write() as connection:
            tickets = SqlTickets(connection)
            found = tickets.get(ticket, organisation=organisation, lock=True)
            changed = service.reply(found, author, text, self._clock.now())
            tickets.save(changed)
            self._notices(connection).written(changed, changed.messages[-1])
        return changed

    def close(self, ticket: UUID, *, organisation: UUID | None = None) -> Ticket:
        """Close a ticket. Raises `NotFound`: no such ticket."""
        return self._change(ticket, organisation, service.close)

    def reopen(self, ticket: UUID, *, organisation: UUID | None = None) -> Ticket:
        """Open a closed ticket again. Raises `NotFound`: no such ticket."""
        return self._change(ticket, organisation, service.reopen)

    def ticket(self, ticket: UUID, *, organisation: UUID | None = None) -> Ticket:
        """Return a ticket with its messages. Raises `NotFound`: no such ticket."""
        with self._database.read() as connection:
            return SqlTickets(connection).get(ticket, organisation=organisation)

    def page(
        self,
        *,
        organisation: UUID | None = None,
        status: TicketStatus | None = None,
        limit: int = 50,
        skip: int = 0,
    ) -> Sequence[TicketSummary]:
        """Return the tickets that match, what changed last first."""
        with self._database.read() as connection:
            return SqlTickets(connection).page(
                organisation=organisation, status=status, limit=limit, skip=skip
            )

    def counts(self, *, organisation: UUID | None = None) -> Mapping[TicketStatus, int]:
        """Return how many tickets there are in each status."""
        with self._database.read() as connection:
            return SqlTickets(connection).counts(organisation=organisation)

    def _change(
        self, ticket: UUID, organisation: UUID | None, act: Callable[[Ticket, datetime], Ticket]
    ) -> Ticket:
        with self._database.write() as connection:
            tickets = SqlTickets(connection)
            changed = act(tickets.get(ticket, organisation=organisation, lock=True), self._clock.now())
            tickets.save(changed)
        return changed
