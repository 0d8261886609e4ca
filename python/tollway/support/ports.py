"""What support needs of storage, and whom it tells."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Protocol
from uuid import UUID

from tollway.support.models import Message, Ticket, TicketStatus, TicketSummary

__all__ = ["Notices", "Tickets"]


class Tickets(Protocol):
    """Tickets with their messages, inside the caller's transaction."""

    def get(self, ticket: UUID, *, organisation: UUID | None = None, lock: bool = False) -> Ticket:
        """Return a ticket; with `organisation`, only one of its own.

        `lock` keeps others from changing it until the transaction ends.

        Raises:
            NotFound: there is none, or it is another organisation's.
        """

    def page(
        self,
        *,
        organisation: UUID | None = None,
        status: TicketStatus | None = None,
        limit: int = 50,
        skip: int = 0,
    ) -> Sequence[TicketSummary]:
        """Return the tickets that match, what changed last first."""

    def counts(self, *, organisation: UUID | None = None) -> Mapping[TicketStatus, int]:
        """Return how many tickets there are in each status, zeros included."""

    def save(self, ticket: Ticket) -> None:
        """Add a ticket, or bring the stored one to this state; messages are only ever added."""


class Notices(Protocol):
    """Who hears of a message; sent if, and only if, the transaction is committed."""

    def written(self, ticket: Ticket, message: Message) -> None:
        """Tell the other side that `message`, the ticket's last, was written."""
