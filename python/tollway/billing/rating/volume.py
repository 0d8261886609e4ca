"""`volume`: every unit costs what the tier says that the whole quantity lies in."""

from __future__ import annotations

from collections.abc import Iterator
from fractions import Fraction

from tollway.billing.rating.parts import Part
from tollway.billing.rating.tiers import steps, tier_parts
from tollway.billing.rating.wording import QUANTITY, Wording
from tollway.catalog.prices import Volume

__all__ = ["volume_parts"]


def volume_parts(model: Volume, quantity: Fraction, share: Fraction, words: Wording) -> Iterator[Part]:
    """Yield the parts of the one tier that the quantity lies in."""
    step = next(step for step in steps(model.tiers, share) if step.upper is None or quantity <= step.upper)
    name = f"Volume tier {step.number}"
    span = words.span(step.lower, step.upper)
    units = f"{QUANTITY} {words.unit} {words.each(step.tier.unit_amount)} ({name.lower()}: {span.lower()})"
    yield from tier_parts(step, quantity, share, words, units=units, name=name)
