"""Tickets as operators work on them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Protocol
from uuid import UUID

from tollway.support.models import Author, Ticket, TicketStatus, TicketSummary

__all__ = ["Tickets"]


class Tickets(Protocol):
    """Every organisation's tickets; `tollway.app.helpdesk.Helpdesk` is it."""

    def page(
        self,
        *,
        organisation: UUID | None = None,
        status: TicketStatus | None = None,
        limit: int = 50,
        skip: int = 0,
    ) -> Sequence[TicketSummary]:
        """Return the tickets that match, what changed last first."""

    def counts(self) -> Mapping[TicketStatus, int]:
        """Return how many tickets there are in each status."""

    def ticket(self, ticket: UUID) -> Ticket:
        """Return a ticket with its messages. Raises `NotFound`."""

    def reply(self, ticket: UUID, author: Author, text: str) -> Ticket:
        """Answer. Raises `InvalidInput` for the text, `NotFound`."""

    def close(self, ticket: UUID) -> Ticket:
        """Close a ticket. Raises `NotFound`."""

    def reopen(self, ticket: UUID) -> Ticket:
        """Open a closed ticket again. Raises `NotFound`."""
