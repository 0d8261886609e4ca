"""`flat`: one amount, whatever the usage."""

from __future__ import annotations

from collections.abc import Iterator
from fractions import Fraction

from tollway.billing.rating.parts import Part, amount_part
from tollway.catalog.prices import Flat

__all__ = ["flat_parts"]


def flat_parts(model: Flat, share: Fraction) -> Iterator[Part]:
    """Yield the fee, for that share of a period."""
    yield amount_part("flat", "Flat fee", Fraction(model.amount) * share)
