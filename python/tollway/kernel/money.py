"""Money: whole minor units of one currency. What is charged, posted or paid is always this.

Unrounded amounts are `Fraction`s (see `kernel.exact`); `Money.rounded` is the one way from them to here,
half away from zero, and BILLING names the places where it may be called.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from decimal import Decimal
from fractions import Fraction
from typing import Self

from tollway.kernel.currency import Currency
from tollway.kernel.exact import Exact, apportion, divide_half_away

__all__ = ["Money", "allocate", "total"]


@dataclass(frozen=True, slots=True)
class Money:
    """An amount in a currency's minor units: `Money(1250, currency("USD"))` is 12.50 USD."""

    minor: int
    currency: Currency

    @classmethod
    def zero(cls, currency: Currency) -> Self:
        """Nothing, in a currency."""
        return cls(0, currency)

    @classmethod
    def rounded(cls, amount: Exact, currency: Currency) -> Self:
        """Round an exact amount in major units to the currency's exponent, half away from zero."""
        scaled = Fraction(amount) * 10**currency.exponent
        return cls(divide_half_away(scaled.numerator, scaled.denominator), currency)

    @property
    def amount(self) -> Decimal:
        """The amount in major units, with all the currency's decimals: `Decimal("12.50")`."""
        digits = tuple(int(digit) for digit in str(abs(self.minor)))
        return Decimal((int(self.minor < 0), digits, -self.currency.exponent))

    @property
    def text(self) -> str:
        """The amount in major units as text: `12.50`."""
        return format(self.amount, "f")

    def __str__(self) -> str:
        return f"{self.text} {self.currency.code}"

    def __add__(self, other: Money) -> Money:
        return Money(self.minor + self._same(other), self.currency)

    def __sub__(self, other: Money) -> Money:
        return Money(self.minor - self._same(other), self.currency)

    def __neg__(self) -> Money:
        return Money(-self.minor, self.currency)

    def __bool__(self) -> bool:
        return self.minor != 0

    def __lt__(self, other: Money) -> bool:
        return self.minor < self._same(other)

    def __le__(self, other: Money) -> bool:
        return self.minor <= self._same(other)

    def __gt__(self, other: Money) -> bool:
        return self.minor > self._same(other)

    def __ge__(self, other: Money) -> bool:
        return self.minor >= self._same(other)

    def _same(self, other: Money) -> int:
        if other.currency != self.currency:
            raise ValueError(f"{self.currency} and {other.currency} don't mix; convert one explicitly first")
        return other.minor


def total(amounts: Iterable[Money], currency: Currency) -> Money:
    """Add up amounts that are all in `currency`."""
    result = Money.zero(currency)
    for amount in amounts:
        result += amount
    return result


def allocate(whole: Money, weights: Sequence[Exact]) -> list[Money]:
    """Share out `whole` in proportion to `weights`, by largest remainder.

    The shares sum to the whole and have its sign or are zero; equal remainders go to the earlier weight.
    Weights are zero or more and not all zero.

    Raises:
        ValueError: a negative weight, or none above zero.
    """
    parts = [Fraction(weight) for weight in weights]
    whole_weight = sum(parts, Fraction(0))
    if any(part < 0 for part in parts) or whole_weight == 0:
        raise ValueError(
            "weights: zero or more each, and at least one above zero, are needed to share out money"
        )
    # Shared as a positive amount, so that a credit is the mirror image of its charge.
    exact = [abs(whole.minor) * part / whole_weight for part in parts]
    sign = -1 if whole.minor < 0 else 1
    return [Money(sign * share, whole.currency) for share in apportion(abs(whole.minor), exact)]
