"""What graduated and volume prices share: a tier's bounds, and what some units in it cost."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from fractions import Fraction
from typing import NamedTuple

from tollway.billing.rating.parts import Part, amount_part, units_part
from tollway.billing.rating.wording import Wording
from tollway.catalog.prices import Tier

__all__ = ["Step", "steps", "tier_parts"]


class Step(NamedTuple):
    """A tier with its bounds: above `lower` (None for the first, which has zero in it), up to `upper`."""

    number: int
    lower: Fraction | None
    upper: Fraction | None
    tier: Tier


def steps(tiers: Sequence[Tier], share: Fraction) -> Iterator[Step]:
    """Yield each tier with its bounds, for that share of a period."""
    lower: Fraction | None = None
    for number, tier in enumerate(tiers, start=1):
        upper = None if tier.up_to is None else Fraction(tier.up_to) * share
        yield Step(number, lower, upper, tier)
        lower = upper


def tier_parts(
    step: Step, quantity: Fraction, share: Fraction, words: Wording, *, units: str, name: str
) -> Iterator[Part]:
    """Yield what `quantity` units in a tier cost: the units, the tier's fee, and what its cap takes off.

    `units` describes the units' line, `name` the tier in the other two.
    """
    tier = step.tier
    unit_amount, fee = Fraction(tier.unit_amount), Fraction(tier.flat_amount) * share
    yield units_part(f"tier {step.number}", units, quantity, unit_amount)
    if fee:
        yield amount_part(f"tier {step.number} fee", f"{name}: flat fee", fee)
    if tier.tier_cap is not None:
        cap = Fraction(tier.tier_cap) * share
        over = quantity * unit_amount + fee - cap
        if over > 0:
            yield amount_part(f"tier {step.number} cap", f"{name}: capped at {words.money(cap)}", -over)
