"""`per_unit`: the same amount for each unit."""

from __future__ import annotations

from collections.abc import Iterator
from fractions import Fraction

from tollway.billing.rating.parts import Part, units_part
from tollway.billing.rating.wording import QUANTITY, Wording
from tollway.catalog.prices import PerUnit

__all__ = ["per_unit_parts"]


def per_unit_parts(model: PerUnit, quantity: Fraction, words: Wording) -> Iterator[Part]:
    """Yield the units at their price."""
    description = f"{QUANTITY} {words.unit} {words.each(model.unit_amount)}"
    yield units_part("units", description, quantity, Fraction(model.unit_amount))
