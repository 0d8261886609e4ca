"""Exact numbers: how they come in, how they go out.

Prices and quantities are `Decimal` where they are kept and `Fraction` where they are computed with:
a fraction can't be rounded silently, whereas every operation on a `Decimal` rounds to whatever precision
its thread's context happens to have. Nothing here, and nothing built on it, depends on that context.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from decimal import Decimal
from fractions import Fraction

from tollway.kernel.errors import InvalidInput

__all__ = [
    "MAX_DIGITS",
    "REPEATING_DECIMALS",
    "Exact",
    "apportion",
    "divide_half_away",
    "parse_decimal",
    "texts",
    "to_text",
]

Exact = int | Decimal | Fraction
"""A number that computes exactly once it is a `Fraction`."""

MAX_DIGITS = 40
"""The most digits that a number from outside may have on either side of its point."""

REPEATING_DECIMALS = 30
"""How many decimals are written of a number that has no end in decimals (1/3)."""

_DECIMAL = re.compile(r"([+-]?)([0-9]*)(?:\.([0-9]*))?(?:[eE]([+-]?[0-9]{1,4}))?")
_LONGEST_TEXT = 2 * MAX_DIGITS + 10


def parse_decimal(value: object, location: str, *, signed: bool = False) -> Decimal:
    """Read a decimal string or an integer, as JSON and YAML give them.

    `location` is the field's name for the error; `signed` allows numbers below zero. The digits are kept as
    they were written: `"49.00"` stays `Decimal("49.00")`.

    Raises:
        InvalidInput: a float (its digits are not what somebody wrote), a truth value, text that is no number,
            a number of more than `MAX_DIGITS` digits before or after the point, or below zero.
    """
    if isinstance(value, bool) or not isinstance(value, str | int):
        raise _no_number(value, location)
    # An int is bounded before it is turned into text: that turn takes quadratic time.
    if isinstance(value, int) and abs(value) >= 10**MAX_DIGITS:
        raise _too_long(location)
    text = value if isinstance(value, str) else str(value)
    if len(text) > _LONGEST_TEXT:
        raise _too_long(location)
    found = _DECIMAL.fullmatch(text)
    if found is None or not (found[2] or found[3]):
        raise _no_number(value, location)
    number = Decimal(text)
    sign, digits, exponent = number.as_tuple()
    assert isinstance(exponent, int)  # the pattern lets no NaN and no infinity through
    if exponent < -MAX_DIGITS or (number and len(digits) + exponent > MAX_DIGITS) or exponent > MAX_DIGITS:
        raise _too_long(location)
    if sign and not signed and number:
        raise InvalidInput(location, f"{text} is below zero", "write zero or more")
    return Decimal((0 if not number else sign, digits, exponent))


def to_text(number: Exact) -> str:
    """Write a number in full: no exponent, no zeros at the end, never "-0".

    A number without an end in decimals is rounded, half away from zero, to `REPEATING_DECIMALS` of them.
    """
    fraction = Fraction(number)
    if fraction.denominator == 1:
        return str(fraction.numerator)
    places = _decimals(fraction)
    if places is None:
        places = REPEATING_DECIMALS
    return _scaled_text(divide_half_away(fraction.numerator * 10**places, fraction.denominator), places)


def texts(numbers: Sequence[Exact]) -> tuple[str, list[str]]:
    """Write the sum of `numbers` and each of them so that what is written adds up to what is written.

    Where all end in decimals, each is written in full. Where one doesn't, all are written to
    `REPEATING_DECIMALS`, the last digits shared out by largest remainder.
    """
    fractions = [Fraction(number) for number in numbers]
    total = sum(fractions, Fraction(0))
    if all(_decimals(fraction) is not None for fraction in fractions):
        return to_text(total), [to_text(fraction) for fraction in fractions]
    scale = 10**REPEATING_DECIMALS
    scaled = divide_half_away(total.numerator * scale, total.denominator)
    shares = apportion(scaled, [fraction * scale for fraction in fractions])
    return _scaled_text(scaled, REPEATING_DECIMALS), [
        _scaled_text(share, REPEATING_DECIMALS) for share in shares
    ]


def divide_half_away(numerator: int, denominator: int) -> int:
    """Divide and round to the nearest whole number, halves away from zero; `denominator` is positive."""
    quotient, remainder = divmod(abs(numerator), denominator)
    if 2 * remainder >= denominator:
        quotient += 1
    return quotient if numerator >= 0 else -quotient


def apportion(whole: int, exact: Sequence[Fraction]) -> list[int]:
    """Round `exact` numbers to whole ones that sum to `whole`, by largest remainder.

    The exact numbers must sum to within their count of `whole`: each is rounded down, and the units
    then missing go to those that lost most, the earlier first where they lost the same.
    """
    shares = [number.numerator // number.denominator for number in exact]
    missing = whole - sum(shares)
    assert 0 <= missing <= len(shares), "the exact numbers do not sum to the whole"
    by_loss = sorted(range(len(exact)), key=lambda index: (shares[index] - exact[index], index))
    for index in by_loss[:missing]:
        shares[index] += 1
    return shares


def _decimals(number: Fraction) -> int | None:
    """Return how many decimals `number` has, None if it has no end in decimals."""
    denominator = number.denominator
    twos = (denominator & -denominator).bit_length() - 1
    rest, fives = denominator >> twos, 0
    while rest % 5 == 0:
        rest, fives = rest // 5, fives + 1
    return max(twos, fives) if rest == 1 else None


def _scaled_text(scaled: int, places: int) -> str:
    digits = str(abs(scaled)).rjust(places + 1, "0")
    whole, decimals = digits[: len(digits) - places], digits[len(digits) - places :].rstrip("0")
    sign = "-" if scaled < 0 else ""
    return f"{sign}{whole}.{decimals}" if decimals else f"{sign}{whole}"


def _too_long(location: str) -> InvalidInput:
    return InvalidInput(
        location,
        f"more than {MAX_DIGITS} digits before or after the decimal point",
        "write a number of usual size",
    )


def _no_number(value: object, location: str) -> InvalidInput:
    if isinstance(value, float):
        return InvalidInput(
            location,
            f"{value} is a binary float, which can't hold decimals exactly",
            f'write "{value}" in quotes',
        )
    if isinstance(value, list | tuple | dict):
        shown = "a list" if not isinstance(value, dict) else "an object"
    elif value is None or isinstance(value, bool):
        shown = {None: "null", True: "true", False: "false"}[value]
    else:
        shown = repr(value) if len(str(value)) <= 40 else f"{str(value)[:37]!r}..."
    return InvalidInput(
        location, f"{shown} is no number", 'write a decimal in quotes, e.g. "0.002", or an integer'
    )
