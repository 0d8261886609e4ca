"""Proration: what a change in mid-period gives back and charges, and a quantity's share of a period."""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal
from fractions import Fraction

from tollway.kernel.currency import Currency
from tollway.kernel.exact import Exact, divide_half_away
from tollway.kernel.money import Money

__all__ = ["Proration", "prorate", "prorate_quantity"]


@dataclass(frozen=True, slots=True)
class Proration:
    """What the rest of the period is worth: of the old price given back, of the new one charged."""

    credit: Money
    charge: Money


def prorate(old: Exact, new: Exact, share_left: Fraction, currency: Currency) -> Proration:
    """Return the credit and the charge of a change of price with `share_left` of the period to go.

    Each is rounded by itself, so that changing to the same price nets to zero.
    """
    return Proration(
        credit=Money.rounded(Fraction(old) * share_left, currency),
        charge=Money.rounded(Fraction(new) * share_left, currency),
    )


def prorate_quantity(quantity: Exact, share_left: Fraction, decimals: int) -> Decimal:
    """Return that share of a quantity, rounded to `decimals`, half away from zero."""
    scaled = Fraction(quantity) * share_left * 10**decimals
    rounded = divide_half_away(scaled.numerator, scaled.denominator)
    digits = tuple(int(digit) for digit in str(abs(rounded)))
    return Decimal((int(rounded < 0), digits, -decimals))
