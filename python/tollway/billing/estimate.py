"""What prices would come to for given quantities over a whole period: shown before anything is sold."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from decimal import Decimal
from fractions import Fraction

from tollway.billing.rating.models import Facts, RatedLine
from tollway.billing.rating.rate import rate
from tollway.catalog.prices import Price
from tollway.kernel.currency import Currency
from tollway.kernel.money import Money, total

__all__ = ["Estimate", "EstimatedPrice", "estimate"]


@dataclass(frozen=True, slots=True)
class EstimatedPrice:
    """What one price comes to, rounded as an invoice line is, with the steps that explain it."""

    price: Price
    quantity: Decimal | None
    """None for a fee."""
    steps: tuple[RatedLine, ...]
    exact: Fraction
    total: Money


@dataclass(frozen=True, slots=True)
class Estimate:
    """A whole period: the prices in their order, and what they sum to."""

    prices: tuple[EstimatedPrice, ...]
    total: Money


def estimate(prices: Iterable[Price], currency: Currency, quantities: Mapping[str, Decimal]) -> Estimate:
    """Return what `prices` come to for each meter's quantity; a meter that is not given counts zero."""
    found = []
    for price in prices:
        quantity = None if price.meter is None else quantities.get(price.meter, Decimal(0))
        unit = "units" if price.meter is None else price.meter.replace("_", " ")
        rated = rate(price, Facts(quantity=quantity), currency, unit=unit)
        found.append(
            EstimatedPrice(price, quantity, rated.lines, rated.amount, Money.rounded(rated.amount, currency))
        )
    return Estimate(tuple(found), total((one.total for one in found), currency))
