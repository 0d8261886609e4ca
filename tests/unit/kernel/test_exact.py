"""Numbers come in as they were written and go out as they are; nothing is rounded on the way."""

from __future__ import annotations

from decimal import Context, Decimal, Inexact, setcontext
from decimal import getcontext as decimal_context
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tollway.kernel.errors import InvalidInput
from tollway.kernel.exact import apportion, divide_half_away, parse_decimal, texts, to_text

FRACTIONS = st.fractions(min_value=-(10**9), max_value=10**9, max_denominator=10**6)


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ("0.002", "0.002"),
        ("49.00", "49"),
        (121, "121"),
        ("-0", "0"),
        ("1e3", "1000"),
        (".5", "0.5"),
        ("5.", "5"),
        ("0" * 40 + "." + "0" * 39 + "1", "0." + "0" * 39 + "1"),
        ("9" * 40, "9" * 40),
    ],
)
def test_a_number_is_what_was_written(value: object, expected: str) -> None:
    assert to_text(parse_decimal(value, "amount")) == expected


NO_NUMBERS = [
    "-",
    ".",
    "NaN",
    "Infinity",
    "-Infinity",
    "sNaN",
    "1_000",
    "1,5",
    "٣",
    "0x10",
    "1e",
    "1e99999",
    "1e41",
    "1e-41",
    "-1",
]
TOO_LONG = ["9" * 41, "0." + "1" * 41, "1" * 5000, 10**40, 10**5000]


@pytest.mark.parametrize(
    "value",
    [1.5, True, None, "", " 1", "1 ", -1, [], {}, *NO_NUMBERS, *TOO_LONG],
    ids=type,
)
def test_what_is_no_exact_number_is_refused_by_name(value: object) -> None:
    with pytest.raises(InvalidInput) as refused:
        parse_decimal(value, "tiers[1].up_to")
    assert refused.value.location == "tiers[1].up_to"
    assert refused.value.problem
    assert refused.value.fix
    assert len(str(refused.value)) < 200


def test_numbers_below_zero_where_they_are_allowed() -> None:
    assert parse_decimal("-1.50", "previously_billed", signed=True) == Decimal("-1.5")


def test_no_step_depends_on_the_threads_decimal_context() -> None:
    before = decimal_context()
    setcontext(Context(prec=1, traps=[Inexact]))
    try:
        number = parse_decimal("12345678901234567890.12345678901234567891", "amount")
        assert to_text(number) == "12345678901234567890.12345678901234567891"
        assert Fraction(number) * 3 == Fraction(3703703670370370367037037036703703703673, 10**20)
    finally:
        setcontext(before)


@given(FRACTIONS)
def test_text_without_an_end_is_rounded_once_and_mirrors(number: Fraction) -> None:
    text = to_text(number)
    assert abs(Fraction(text) - number) <= Fraction(1, 2 * 10**30)
    assert to_text(-number) == (text[1:] if text.startswith("-") else text if text == "0" else f"-{text}")


@given(st.decimals(allow_nan=False, allow_infinity=False, places=12, min_value=-(10**20), max_value=10**20))
def test_text_with_an_end_is_exact(number: Decimal) -> None:
    assert Fraction(to_text(number)) == Fraction(number)


@given(st.lists(FRACTIONS, max_size=8))
def test_written_parts_add_up_to_the_written_sum(numbers: list[Fraction]) -> None:
    whole, parts = texts(numbers)
    assert sum(map(Fraction, parts), Fraction(0)) == Fraction(whole)
    assert whole == to_text(sum(numbers, Fraction(0)))


@pytest.mark.parametrize(("numerator", "expected"), [(5, 1), (-5, -1), (4, 0), (-4, 0), (15, 2), (-15, -2)])
def test_halves_go_away_from_zero(numerator: int, expected: int) -> None:
    assert divide_half_away(numerator, 10) == expected


@given(st.lists(FRACTIONS, min_size=1, max_size=8))
def test_apportioned_numbers_are_neighbours_of_the_exact_ones(numbers: list[Fraction]) -> None:
    total = sum(numbers, Fraction(0))
    shares = apportion(divide_half_away(total.numerator, total.denominator), numbers)
    assert sum(shares) == divide_half_away(total.numerator, total.denominator)
    assert all(abs(share - number) <= 1 for share, number in zip(shares, numbers, strict=True))
