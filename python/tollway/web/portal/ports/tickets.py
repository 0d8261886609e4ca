"""Tickets of the organisation that asks."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Protocol
from uuid import UUID

from tollway.support.models import Author, Ticket, TicketStatus, TicketSummary

__all__ = ["Helpdesk"]


class Helpdesk(Protocol):
    """Each act finds only tickets of the organisation named; `NotFound` otherwise."""

    def ask(self, organisation: UUID, author: Author, subject: str, text: str) -> Ticket:
        """Open a ticket; raises `InvalidInput` at `subject` or `text`."""

    def reply(self, ticket: UUID, author: Author, text: str, *, organisation: UUID | None = None) -> Ticket:
        """Add a message; raises `InvalidInput` at `text`."""

    def close(self, ticket: UUID, *, organisation: UUID | None = None) -> Ticket:
        """Close a ticket."""

    def reopen(self, ticket: UUID, *, organisation: UUID | None = None) -> Ticket:
        """Open a closed ticket again."""

    def ticket(self, ticket: UUID, *, organisation: UUID | None = None) -> Ticket:
        """Return a ticket with its messages."""

    def page(
        self,
        *,
        organisation: UUID | None = None,
        status: TicketStatus | None = None,
        limit: int = 50,
        skip: int = 0,
    ) -> Sequence[TicketSummary]:
        """Return tickets, what changed last first."""

    def counts(self, *, organisation: UUID | None = None) -> Mapping[TicketStatus, int]:
        """Return how many tickets there are in each status."""
