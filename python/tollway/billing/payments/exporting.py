"""Usage told to a provider: which parts of which windows, named so that each counts once.

Our own rating stays the truth. What a provider is told of a window are parts that add up to what was metered:
late usage is another part of its window, with a name of its own.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from decimal import ROUND_FLOOR, Decimal
from hashlib import sha256
from typing import NamedTuple
from uuid import UUID

from tollway.kernel.instants import format_instant

__all__ = ["HOUR", "Part", "Subject", "Told", "hours", "new_parts"]

HOUR = timedelta(hours=1)


class Subject(NamedTuple):
    """Whose usage of what: a customer, and a meter's name."""

    customer: UUID
    meter: str


class Told(NamedTuple):
    """What a window's parts come to so far, and how many there are."""

    quantity: int
    parts: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Part:
    """A part of a window of one hour: `number` counts from 1. `first_sent_at` is None until it was tried."""

    subject: Subject
    start: datetime
    number: int
    quantity: int
    first_sent_at: datetime | None = None
    tries: int = 0

    @property
    def end(self) -> datetime:
        """Where the window ends."""
        return self.start + HOUR

    @property
    def identifier(self) -> str:
        """Its name at the provider, 64 characters, made of what it is about."""
        about = f"{self.subject.customer}/{self.subject.meter}/{format_instant(self.start)}/{self.number}"
        return sha256(about.encode()).hexdigest()


def new_parts(
    start: datetime, metered: Mapping[Subject, Decimal], told: Mapping[Subject, Told]
) -> Iterator[Part]:
    """Yield what is to be told of the window that begins at `start`, beyond what was told.

    Providers take whole numbers: a fraction waits until the window's sum has made it whole.
    """
    for subject, quantity in sorted(metered.items()):
        before = told.get(subject, Told(0, 0))
        new = int(quantity.to_integral_value(ROUND_FLOOR)) - before.quantity
        if new > 0:
            yield Part(subject=subject, start=start, number=before.parts + 1, quantity=new)


def hours(since: datetime, until: datetime) -> Iterator[datetime]:
    """Yield the starts of the whole hours UTC in `[since, until)`."""
    start = since.astimezone(UTC).replace(minute=0, second=0, microsecond=0)
    while start + HOUR <= until:
        yield start
        start += HOUR
