"""What can be done with a ticket. Each function returns the ticket as it is then; nothing is stored here."""

from __future__ import annotations

import unicodedata
from dataclasses import replace
from datetime import datetime
from uuid import UUID

from tollway.kernel.errors import InvalidInput
from tollway.kernel.ids import new_id
from tollway.support.models import Author, Message, Side, Ticket, TicketStatus

__all__ = ["SUBJECT_LIMIT", "TEXT_LIMIT", "ask", "close", "reopen", "reply"]

SUBJECT_LIMIT = 200
TEXT_LIMIT = 20_000

_BREAKS = {"\n", "\t"}


def ask(organisation: UUID, author: Author, subject: str, text: str, now: datetime) -> Ticket:
    """Open a ticket with its first message.

    Raises:
        InvalidInput: the subject or the text is empty or too long; names the field.
    """
    return Ticket(
        id=new_id(),
        organisation=organisation,
        subject=_written("subject", " ".join(subject.split()), SUBJECT_LIMIT),
        status=TicketStatus.OPEN,
        messages=(_message(author, text, now),),
        opened_at=now,
        changed_at=now,
    )


def reply(ticket: Ticket, author: Author, text: str, now: datetime) -> Ticket:
    """Add a message; it is the other side's turn then. A closed ticket is opened again by it.

    Raises:
        InvalidInput: the text is empty or too long.
    """
    turn = TicketStatus.ANSWERED if author.side is Side.OPERATOR else TicketStatus.OPEN
    # Clocks of several machines differ a little; the order of messages is that of their writing.
    at = max(now, ticket.changed_at)
    return replace(
        ticket, status=turn, messages=(*ticket.messages, _message(author, text, at)), changed_at=at
    )


def close(ticket: Ticket, now: datetime) -> Ticket:
    """Close a ticket; one that is closed stays as it is."""
    if ticket.status is TicketStatus.CLOSED:
        return ticket
    return replace(ticket, status=TicketStatus.CLOSED, changed_at=max(now, ticket.changed_at))


def reopen(ticket: Ticket, now: datetime) -> Ticket:
    """Open a closed ticket again: whose turn it is follows from its last message."""
    if ticket.status is not TicketStatus.CLOSED:
        return ticket
    last = ticket.messages[-1].author.side
    turn = TicketStatus.ANSWERED if last is Side.OPERATOR else TicketStatus.OPEN
    return replace(ticket, status=turn, changed_at=max(now, ticket.changed_at))


def _message(author: Author, text: str, now: datetime) -> Message:
    lines = text.replace("\r\n", "\n").replace("\r", "\n").strip()
    return Message(author=author, text=_written("text", lines, TEXT_LIMIT), written_at=now)


def _written(field: str, text: str, limit: int) -> str:
    # Control characters act in terminals and mails, and PostgreSQL stores no NUL; half a surrogate pair
    # cannot be written down at all.
    clean = "".join(c for c in text if c in _BREAKS or unicodedata.category(c) not in {"Cc", "Cs"})
    if not clean.strip():
        raise InvalidInput(field, "is empty", "write what you need")
    if len(clean) > limit:
        raise InvalidInput(field, f"has {len(clean):,} characters", f"{limit:,} are the most")
    return clean
