"""Parts: the steps of a price, kept apart by key so that two states of one period can be subtracted.

A period billed in parts is price(now) − price(then). Subtracting step by step, rather than the two sums,
lets the newest part still be explained: so many units in this tier, the tier's fee already paid.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from fractions import Fraction

from tollway.billing.rating.wording import QUANTITY, grouped

__all__ = ["ONE", "Part", "Parts", "amount_part", "units_part"]

ONE = Fraction(1)


@dataclass(frozen=True, slots=True)
class Part:
    """One step: `quantity` times `unit_amount` is `amount`.

    `description` may hold `{quantity}`, filled in once the quantity is final. Parts with the same `key` are
    the same step of a price and add up.
    """

    key: str
    description: str
    quantity: Fraction
    unit_amount: Fraction
    amount: Fraction


def units_part(key: str, description: str, quantity: Fraction, unit_amount: Fraction) -> Part:
    """Return a step that charges a quantity at a price each."""
    return Part(key, description, quantity, unit_amount, quantity * unit_amount)


def amount_part(key: str, description: str, amount: Fraction) -> Part:
    """Return a step that has an amount but no quantity: a fee, a discount, a cap."""
    return Part(key, description, ONE, amount, amount)


class Parts:
    """The steps of a price in their order, at most one for each key."""

    def __init__(self, parts: Iterable[Part] = ()) -> None:
        self._parts: dict[str, Part] = {}
        for part in parts:
            self.add(part)

    def __iter__(self) -> Iterator[Part]:
        return iter(self._parts.values())

    @property
    def amount(self) -> Fraction:
        """The sum of all steps."""
        return sum((part.amount for part in self._parts.values()), Fraction(0))

    def add(self, part: Part) -> None:
        """Add a step to the one with its key, or after the others."""
        present = self._parts.get(part.key)
        if present is None:
            self._parts[part.key] = part
            return
        amount = present.amount + part.amount
        if present.unit_amount == part.unit_amount:
            quantity, unit_amount = present.quantity + part.quantity, present.unit_amount
        else:
            quantity, unit_amount = ONE, amount
        self._parts[part.key] = Part(part.key, present.description, quantity, unit_amount, amount)

    def subtract(self, earlier: Parts) -> None:
        """Take away what was due earlier in the period."""
        for key, part in earlier._parts.items():
            description = part.description
            if key not in self._parts:
                description = f"Billed earlier: {description.replace(QUANTITY, grouped(part.quantity))}"
            self.add(Part(key, description, -part.quantity, part.unit_amount, -part.amount))
