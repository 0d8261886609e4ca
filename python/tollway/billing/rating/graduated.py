"""`graduated`: each unit costs what the tier says that it lies in."""

from __future__ import annotations

from collections.abc import Iterator
from fractions import Fraction

from tollway.billing.rating.parts import Part
from tollway.billing.rating.tiers import steps, tier_parts
from tollway.billing.rating.wording import QUANTITY, Wording
from tollway.catalog.prices import Graduated

__all__ = ["graduated_parts"]


def graduated_parts(model: Graduated, quantity: Fraction, share: Fraction, words: Wording) -> Iterator[Part]:
    """Yield the parts of each tier that the quantity reaches into; the first is reached even at zero."""
    for step in steps(model.tiers, share):
        if step.lower is not None and quantity <= step.lower:
            return
        within = (quantity if step.upper is None else min(quantity, step.upper)) - (step.lower or 0)
        name = words.span(step.lower, step.upper)
        units = f"{name}: {QUANTITY} {words.each(step.tier.unit_amount)}"
        yield from tier_parts(step, within, share, words, units=units, name=name)
