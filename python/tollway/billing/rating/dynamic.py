"""`dynamic`: what the usage cost the seller, times a factor."""

from __future__ import annotations

from collections.abc import Iterator
from fractions import Fraction

from tollway.billing.rating.parts import Part, units_part
from tollway.billing.rating.wording import QUANTITY, Wording, grouped
from tollway.catalog.prices import Dynamic

__all__ = ["dynamic_parts"]


def dynamic_parts(model: Dynamic, cost: Fraction, words: Wording) -> Iterator[Part]:
    """Yield the cost times the factor."""
    description = f"Cost of {QUANTITY} {words.currency} × {grouped(model.multiplier)}"
    yield units_part("cost", description, cost, Fraction(model.multiplier))
