"""Grants: quantities of something that may be used, each with its own time, order and renewal.

A grant is in force from `effective_at`, included, until it expires or is voided, excluded. The same words
hold for usage that an entitlement allows and for credit that a wallet holds.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from enum import StrEnum
from fractions import Fraction

__all__ = ["BurnDown", "Grant", "Recurrence"]

_ZERO = Decimal(0)


class Recurrence(StrEnum):
    """How often a grant is filled up again."""

    DAILY = "daily"
    WEEKLY = "weekly"
    MONTHLY = "monthly"


@dataclass(frozen=True, slots=True, kw_only=True)
class Grant:
    """One grant. Instants are aware and in UTC; `recurrence_anchor` None counts from `effective_at`."""

    id: str
    amount: Decimal
    effective_at: datetime
    priority: int = 0
    expires_at: datetime | None = None
    voided_at: datetime | None = None
    recurrence: Recurrence | None = None
    recurrence_anchor: datetime | None = None
    min_rollover: Decimal = _ZERO
    max_rollover: Decimal = _ZERO

    @property
    def ends_at(self) -> datetime | None:
        """When it is no longer in force: it expires or is voided, whichever comes first."""
        ends = [end for end in (self.expires_at, self.voided_at) if end is not None]
        return min(ends, default=None)

    @property
    def burn_order(self) -> tuple[int, bool, datetime, datetime, str]:
        """What grants are burned in the order of: priority, earliest expiry, oldest, id."""
        never = self.expires_at is None
        return self.priority, never, self.expires_at or self.effective_at, self.effective_at, self.id

    def in_force(self, at: datetime) -> bool:
        """Tell whether it can be used at that instant."""
        return self.effective_at <= at and (self.ends_at is None or at < self.ends_at)

    def rolled_over(self, balance: Fraction) -> Fraction:
        """Return what a reset leaves of a balance: at most the maximum, even where the minimum is more."""
        return min(Fraction(self.max_rollover), max(Fraction(self.min_rollover), balance))


@dataclass(frozen=True, slots=True, kw_only=True)
class BurnDown:
    """What became of grants, each by its id: `granted` is `consumed` + `balances` + `lapsed`.

    `lapsed` expired, was voided, or was not taken along by a reset or a recurrence. All usage is `consumed`,
    `overage` (used beyond what was granted, and still owed) or `forgiven` (overage that a reset dropped).
    """

    balances: Mapping[str, Fraction]
    granted: Mapping[str, Fraction]
    consumed: Mapping[str, Fraction]
    lapsed: Mapping[str, Fraction]
    overage: Fraction
    forgiven: Fraction
