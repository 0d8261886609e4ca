"""How lines speak of numbers: thousands apart, prices with their currency."""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal
from fractions import Fraction

from tollway.kernel.exact import Exact, divide_half_away, to_text

__all__ = ["QUANTITY", "Wording", "grouped"]

QUANTITY = "{quantity}"
"""Stands in a description for the line's quantity."""

_SHOWN_DECIMALS = 12
_DECIMALS_OF_MANY = 3  # a part of one of many says little; a price of less than one is all decimals


def grouped(number: Exact) -> str:
    """Write a number for people: `12,345.5`. More decimals than anybody reads are cut, and marked by `≈`."""
    if isinstance(number, Decimal):
        text = format(number, ",f")
        return text.rstrip("0").rstrip(".") if "." in text else text
    fraction = Fraction(number)
    if fraction.denominator == 1:
        return f"{fraction.numerator:,}"
    scale = 10 ** (_SHOWN_DECIMALS if abs(fraction) < 1 else _DECIMALS_OF_MANY)
    shown = Fraction(divide_half_away(fraction.numerator * scale, fraction.denominator), scale)
    whole, point, decimals = to_text(shown).partition(".")
    sign = "-" if whole.startswith("-") else ""
    return ("≈" if shown != fraction else "") + f"{sign}{int(whole.lstrip('-')):,}{point}{decimals}"


@dataclass(frozen=True, slots=True)
class Wording:
    """The words of one price's lines: its currency's code and what its units are called."""

    currency: str
    unit: str

    def money(self, amount: Exact) -> str:
        """Write an amount: `0.002 USD`."""
        return f"{grouped(amount)} {self.currency}"

    def each(self, unit_amount: Exact) -> str:
        """Write what a unit costs: `at 0.002 USD`, or `free`."""
        return f"at {self.money(unit_amount)}" if unit_amount else "free"

    def span(self, lower: Fraction | None, upper: Fraction | None) -> str:
        """Name a tier above `lower`, up to and including `upper`: `First 10,000 units`."""
        if lower is None:
            return f"All {self.unit}" if upper is None else f"First {grouped(upper)} {self.unit}"
        units = self.unit[:1].upper() + self.unit[1:]
        if upper is None:
            return f"{units} over {grouped(lower)}"
        if lower.denominator == upper.denominator == 1:
            return f"{units} {grouped(lower + 1)} to {grouped(upper)}"
        return f"{units} over {grouped(lower)} up to {grouped(upper)}"
