"""What the pages of keys work with; `app/keys.py` implements it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Protocol
from uuid import UUID

from tollway.accounts.models import Organisation, SignedIn

__all__ = ["ApiKey", "Arrival", "Keys", "NewKey"]


@dataclass(frozen=True, slots=True, kw_only=True)
class ApiKey:
    """A key as it is shown: the key itself is nowhere. `ends_at` is when it is refused, None: not by itself.

    `calls` are those of the last 30 days, `last_used_at` the latest of them.
    """

    id: UUID
    name: str
    last_four: str
    created_at: datetime
    ends_at: datetime | None
    last_used_at: datetime | None
    calls: int


@dataclass(frozen=True, slots=True, kw_only=True)
class NewKey:
    """A key just made, and its text, this once. `old` is the one that it takes the place of.

    `lagging` says which gateway does not know it yet, if one does not.
    """

    key: ApiKey
    text: str = field(repr=False)
    old: ApiKey | None = None
    lagging: str | None = None


@dataclass(frozen=True, slots=True)
class Arrival:
    """The latest call with a key: when, with which answer, and how many there were that day."""

    at: datetime
    status: int | None
    calls: int


class Keys(Protocol):
    """An organisation's keys. Another's key is not there: `NotFound`, as for one that never was."""

    def of(self, organisation: Organisation) -> Sequence[ApiKey]:
        """Return the keys that work, the oldest first."""

    def get(self, organisation: Organisation, key: UUID) -> ApiKey:
        """Return one of them. Raises `NotFound`."""

    def create(self, member: SignedIn, name: str) -> NewKey:
        """Make a key of an organisation that has a plan.

        Raises `InvalidInput` (the name is taken), `Conflict` (too many).
        """

    def rotate(self, member: SignedIn, key: UUID, until: datetime) -> NewKey:
        """Make a key in the place of another, which ends at `until`, at most 30 days ahead.

        Raises `NotFound`, `InvalidInput` (the moment), `Conflict` (it is ending already).
        """

    def revoke(self, organisation: Organisation, key: UUID) -> str | None:
        """End a key now; return which gateway has not heard of it, if one has not. Raises `NotFound`."""

    def arrival(self, organisation: Organisation, key: UUID) -> Arrival | None:
        """Return the latest call with a key in the last day. Raises `NotFound`."""
