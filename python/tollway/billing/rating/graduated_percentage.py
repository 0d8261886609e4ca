"""`graduated_percentage`: a share of a base amount, each part of it at its tier's rate."""

from __future__ import annotations

from collections.abc import Iterator
from fractions import Fraction

from tollway.billing.rating.parts import Part, amount_part, units_part
from tollway.billing.rating.wording import QUANTITY, Wording, grouped
from tollway.catalog.prices import GraduatedPercentage

__all__ = ["graduated_percentage_parts"]


def graduated_percentage_parts(
    model: GraduatedPercentage, base: Fraction, share: Fraction, words: Wording
) -> Iterator[Part]:
    """Yield the share and the fee of each tier that the base reaches into; the first even at zero."""
    amounts = Wording(words.currency, words.currency)
    lower: Fraction | None = None
    for number, tier in enumerate(model.tiers, start=1):
        if lower is not None and base <= lower:
            return
        upper = None if tier.up_to is None else Fraction(tier.up_to) * share
        within = (base if upper is None else min(base, upper)) - (lower or 0)
        name = amounts.span(lower, upper)
        description = f"{name}: {grouped(tier.rate_percent)}% of {QUANTITY} {words.currency}"
        yield units_part(f"tier {number}", description, within, Fraction(tier.rate_percent) / 100)
        if tier.flat_amount:
            fee = Fraction(tier.flat_amount) * share
            yield amount_part(f"tier {number} fee", f"{name}: flat fee", fee)
        lower = upper
