"""Money is whole minor units; rounding, mixing and sharing out follow BILLING's rules."""

from __future__ import annotations

from decimal import Decimal
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tollway.kernel.currency import Currency, currency
from tollway.kernel.errors import InvalidInput
from tollway.kernel.money import Money, allocate, total

USD, JPY, BHD, CLF = (currency(code) for code in ("USD", "JPY", "BHD", "CLF"))


@pytest.mark.parametrize(
    ("amount", "unit", "expected"),
    [
        ("0.005", USD, "0.01 USD"),
        ("-0.005", USD, "-0.01 USD"),
        ("0.0049999999999999999999999999999999999", USD, "0.00 USD"),
        ("1234567.885", USD, "1234567.89 USD"),
        ("0.5", JPY, "1 JPY"),
        ("-1.5", JPY, "-2 JPY"),
        ("0.0005", BHD, "0.001 BHD"),
        ("1.23455", CLF, "1.2346 CLF"),
    ],
)
def test_rounding_is_half_away_from_zero_to_the_currencys_exponent(
    amount: str, unit: Currency, expected: str
) -> None:
    assert str(Money.rounded(Decimal(amount), unit)) == expected


@given(st.fractions(max_denominator=10**6), st.sampled_from([USD, JPY, BHD, CLF]))
def test_negatives_mirror_positives(amount: Fraction, unit: Currency) -> None:
    assert Money.rounded(-amount, unit) == -Money.rounded(amount, unit)
    assert abs(Fraction(Money.rounded(amount, unit).amount) - amount) <= Fraction(1, 2 * 10**unit.exponent)


def test_currencies_do_not_mix() -> None:
    with pytest.raises(ValueError, match="USD and JPY don't mix"):
        Money(1, USD) + Money(1, JPY)
    with pytest.raises(ValueError, match="don't mix"):
        assert Money(1, USD) < Money(1, JPY)
    assert Money(1, USD) != Money(1, JPY)


def test_arithmetic() -> None:
    assert Money(150, USD) + Money(-50, USD) - Money(1, USD) == Money(99, USD)
    assert -Money(5, USD) < Money(0, USD) <= Money.zero(USD)
    assert not Money.zero(USD)
    assert Money(2, USD) > Money(1, USD) >= Money(1, USD)
    assert total([Money(1, USD), Money(2, USD)], USD) == Money(3, USD)


WEIGHTS = st.lists(st.fractions(min_value=0, max_value=1000, max_denominator=1000), min_size=1, max_size=12)


@given(st.integers(-(10**12), 10**12), WEIGHTS)
def test_shares_sum_to_the_whole_and_keep_its_sign(minor: int, weights: list[Fraction]) -> None:
    if not sum(weights):
        with pytest.raises(ValueError, match="above zero"):
            allocate(Money(minor, USD), weights)
        return
    shares = [share.minor for share in allocate(Money(minor, USD), weights)]
    assert sum(shares) == minor
    assert all(share * minor >= 0 for share in shares)
    assert shares == [share.minor for share in allocate(Money(minor, USD), weights)]
    assert [-share for share in shares] == [share.minor for share in allocate(Money(-minor, USD), weights)]
    for share, weight in zip(shares, weights, strict=True):
        assert abs(share - minor * weight / sum(weights)) < 1


def test_largest_remainder_first_then_the_earlier() -> None:
    assert [share.minor for share in allocate(Money(100, USD), [1, 1, 1])] == [34, 33, 33]
    assert [share.minor for share in allocate(Money(10, USD), [Fraction(1, 2), 2, Fraction(1, 2)])] == [
        2,
        7,
        1,
    ]
    with pytest.raises(ValueError, match="zero or more"):
        allocate(Money(1, USD), [2, -1])


def test_exponents_of_iso_4217() -> None:
    exponents = {
        "USD": 2,
        "EUR": 2,
        "JPY": 0,
        "KRW": 0,
        "ISK": 0,
        "KWD": 3,
        "TND": 3,
        "CLF": 4,
        "UYW": 4,
        "MRU": 2,
    }
    assert {code: currency(code).exponent for code in exponents} == exponents


@pytest.mark.parametrize("code", ["usd", "XXX", "XAU", "", "US", None, 840, "USD ", "x" * 9999])
def test_what_is_no_currency_is_refused(code: object) -> None:
    with pytest.raises(InvalidInput) as refused:
        currency(code, "catalog.currency")
    assert refused.value.location == "catalog.currency"
    assert len(str(refused.value)) < 150
