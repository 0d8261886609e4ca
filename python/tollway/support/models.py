"""Tickets: what was asked and answered, by whom, and whose turn it is."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from uuid import UUID

__all__ = ["Author", "Message", "Side", "Ticket", "TicketStatus", "TicketSummary"]


class TicketStatus(StrEnum):
    """Whose turn it is: the seller's, the customer's, or nobody's."""

    OPEN = "open"
    ANSWERED = "answered"
    CLOSED = "closed"


class Side(StrEnum):
    """On which side of the counter somebody stands."""

    CUSTOMER = "customer"
    OPERATOR = "operator"


@dataclass(frozen=True, slots=True)
class Author:
    """Who wrote a message: a user of the organisation or an operator, with the name they had then."""

    side: Side
    id: UUID
    name: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Message:
    """What somebody wrote, in Markdown, as they wrote it; it is made safe where it is shown."""

    author: Author
    text: str
    written_at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class Ticket:
    """A conversation between an organisation and the seller, oldest message first."""

    id: UUID
    organisation: UUID
    subject: str
    status: TicketStatus
    messages: tuple[Message, ...]
    opened_at: datetime
    changed_at: datetime

    @property
    def reference(self) -> str:
        """What people call it in a mail's subject: `T-1a2b3c4d`; not unique for certain, and no secret."""
        return f"T-{self.id.hex[-8:]}"


@dataclass(frozen=True, slots=True, kw_only=True)
class TicketSummary:
    """What a list shows of a ticket."""

    id: UUID
    organisation: UUID
    subject: str
    status: TicketStatus
    messages: int
    last_author: str
    opened_at: datetime
    changed_at: datetime
