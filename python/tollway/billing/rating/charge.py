"""From the exact amount to what is charged: the one rounding of a line."""

from __future__ import annotations

from decimal import Decimal
from fractions import Fraction

from tollway.billing.rating.models import Rated
from tollway.kernel.currency import Currency
from tollway.kernel.money import Money

__all__ = ["charge"]


def charge(rated: Rated, currency: Currency, previously_billed: Decimal | None = None) -> Money:
    """Round an exact amount, half away from zero.

    What was billed before, if it was whole minor units, is put back first: the last part of a period is the
    rounded whole less the rounded parts, so that a half goes the way it would have gone on one bill.
    """
    if not previously_billed:
        return Money.rounded(rated.amount, currency)
    billed = Fraction(previously_billed)
    charged = Money.rounded(billed, currency)
    if Fraction(charged.amount) != billed:
        return Money.rounded(rated.amount, currency)
    return Money.rounded(rated.amount + billed, currency) - charged
