"""What goes into rating and what comes out. Amounts are exact and unrounded, in major units."""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal
from fractions import Fraction

__all__ = ["Facts", "Rated", "RatedLine"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Facts:
    """What a price is applied to. Each model takes the fact that it needs; all of them are cumulative.

    `quantity` is what the period has had so far, from its start, never only the newest part; of that,
    `previous_quantity` was billed before (zero, too, says that an earlier part was billed), or
    `previously_billed` is what was charged for it, which then counts instead. `bucket_quantities` stand
    for one quantity each, priced alone and summed. `last` says that this bill ends the period.
    `event_amounts` are for `percentage`, `base_amount` for `graduated_percentage`, the costs for `dynamic`.
    """

    quantity: Decimal | None = None
    bucket_quantities: tuple[Decimal, ...] | None = None
    event_amounts: tuple[Decimal, ...] | None = None
    base_amount: Decimal | None = None
    cost: Decimal | None = None
    previous_quantity: Decimal | None = None
    previous_cost: Decimal | None = None
    previously_billed: Decimal | None = None
    last: bool = True
    share: Fraction = Fraction(1)
    """The part of a whole period that is billed: fees, tier bounds, allowances and bounds shrink with it."""


@dataclass(frozen=True, slots=True)
class RatedLine:
    """One explained step: `quantity` times `unit_amount` is `amount`, exactly."""

    description: str
    quantity: Fraction
    unit_amount: Fraction
    amount: Fraction


@dataclass(frozen=True, slots=True)
class Rated:
    """The exact amount, and the lines that sum exactly to it."""

    amount: Fraction
    lines: tuple[RatedLine, ...]
