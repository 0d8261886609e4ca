"""What holds for every price, quantity and way to split a period."""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal
from fractions import Fraction
from itertools import pairwise

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from tests.unit.billing.rating.prices import QUANTITIES, TERMS, expected, models, prices, shrunk, tiers
from tollway.billing.rating.charge import charge
from tollway.billing.rating.models import Facts, Rated
from tollway.billing.rating.rate import rate
from tollway.catalog.prices import Flat, Graduated, Model, Percentage, Price, Terms, Tier, Volume
from tollway.kernel.currency import currency
from tollway.kernel.exact import texts
from tollway.kernel.money import Money, total

pytestmark = pytest.mark.one_database

USD = currency("USD")


def rated(price: Price, **facts: object) -> Rated:
    result = rate(price, Facts(**facts), USD)  # type: ignore[arg-type]
    assert sum((line.amount for line in result.lines), Fraction(0)) == result.amount
    for line in result.lines:
        assert line.amount == line.quantity * line.unit_amount
        assert "{" not in line.description
    whole, written = texts([line.amount for line in result.lines])
    assert sum(map(Fraction, written), Fraction(0)) == Fraction(whole)
    return result


@given(prices(), QUANTITIES, st.booleans())
def test_the_amount_is_the_formulas_and_lines_add_up(price: Price, quantity: Decimal, last: bool) -> None:  # noqa: FBT001
    assert rated(price, quantity=quantity, last=last).amount == expected(price, quantity, last=last)


@given(prices(), st.lists(QUANTITIES, min_size=1, max_size=6))
def test_splitting_a_period_never_changes_its_total(price: Price, quantities: list[Decimal]) -> None:
    # The cumulative quantity may stand still and may even fall, where usage was corrected.
    parts = [rated(price, quantity=quantities[0], last=len(quantities) == 1).amount]
    for index, (before, now) in enumerate(pairwise(quantities), start=2):
        last = index == len(quantities)
        parts.append(rated(price, quantity=now, previous_quantity=before, last=last).amount)
    assert sum(parts) == rated(price, quantity=quantities[-1]).amount


@example(Price(Flat(Decimal("0.075"))), [Decimal(0), Decimal(0)])
@given(prices(), st.lists(QUANTITIES, min_size=1, max_size=6))
def test_rounded_parts_of_a_split_period_sum_to_the_rounded_whole(
    price: Price, quantities: list[Decimal]
) -> None:
    billed: list[Money] = []
    for index, quantity in enumerate(quantities, start=1):
        so_far = total(billed, USD)
        part = rated(price, quantity=quantity, previously_billed=so_far.amount, last=index == len(quantities))
        billed.append(charge(part, USD, so_far.amount))
    assert total(billed, USD) == Money.rounded(rated(price, quantity=quantities[-1]).amount, USD)


@given(prices(falling=False), QUANTITIES, QUANTITIES)
def test_no_price_but_volume_falls_as_quantity_grows(price: Price, one: Decimal, other: Decimal) -> None:
    less, more = sorted((one, other))
    assert rated(price, quantity=less).amount <= rated(price, quantity=more).amount


@given(models().filter(lambda model: not isinstance(model, Flat)), TERMS, st.data())
def test_buckets_are_priced_alone_in_any_order(model: Model, terms: Terms, data: st.DataObject) -> None:
    price = Price(model, terms)
    buckets = data.draw(st.lists(QUANTITIES, max_size=5))
    shuffled = data.draw(st.permutations(buckets))
    bill = rated(price, bucket_quantities=tuple(buckets))
    assert bill.amount == rated(price, bucket_quantities=tuple(shuffled)).amount
    # The model takes each bucket by itself; discount and bounds hold for the bill, not for a bucket.
    alone = Price(model, replace(terms, percent_discount=Decimal(0), maximum=None, minimum=None))
    amount = sum((expected(alone, bucket) for bucket in buckets), Fraction(0))
    bounds = replace(terms, unit_conversion=None, free_units=Decimal(0))
    assert bill.amount == _bounded(amount, bounds)


@given(prices(), QUANTITIES, QUANTITIES)
def test_the_minimum_is_trued_up_once_by_the_last_part(price: Price, one: Decimal, other: Decimal) -> None:
    terms = replace(price.terms, minimum=Decimal(50))
    less, more = sorted((one, other))
    charged = rated(Price(price.model, terms), quantity=less, last=False).amount
    rest = rated(Price(price.model, terms), quantity=more, previous_quantity=less).amount
    without = rated(Price(price.model, replace(terms, minimum=None)), quantity=more).amount
    assert charged + rest == without + max(Fraction(0), 50 - without)


@given(prices(), QUANTITIES, st.decimals(min_value=0, max_value=100, places=2))
def test_a_maximum_is_never_exceeded_by_the_parts_together(
    price: Price, quantity: Decimal, maximum: Decimal
) -> None:
    capped = Price(price.model, replace(price.terms, maximum=maximum, minimum=None))
    first = rated(capped, quantity=quantity / 2, last=False).amount
    rest = rated(capped, quantity=quantity, previous_quantity=quantity / 2).amount
    assert first <= maximum
    assert first + rest <= maximum


@given(tiers(), QUANTITIES)
def test_one_endless_tier_is_the_same_graduated_and_by_volume(
    tiers: tuple[Tier, ...], quantity: Decimal
) -> None:
    endless = (replace(tiers[-1], up_to=None),)
    by_volume = rated(Price(Volume(endless)), quantity=quantity).amount
    assert rated(Price(Graduated(endless)), quantity=quantity).amount == by_volume


@given(QUANTITIES, QUANTITIES, st.fractions(min_value=0, max_value=1, max_denominator=60))
def test_fees_and_allowances_of_two_parts_of_a_period_make_those_of_a_whole_one(
    first: Decimal, second: Decimal, share: Fraction
) -> None:
    unit, fee, free = Decimal("0.01"), Decimal(7), Decimal(3000)
    price = Price(Graduated((Tier(None, unit, fee),)), Terms(free_units=free))
    one = rated(price, quantity=first + 3000, share=share).amount
    other = rated(price, quantity=second + 3000, share=1 - share).amount
    assert one + other == Fraction(unit) * (Fraction(first + second) + 6000 - 3000) + int(fee)


@given(prices(), QUANTITIES, st.sampled_from(["0.5", "0.25", "0.2", "0.125"]).map(Decimal))
def test_a_share_of_a_period_shrinks_all_that_is_counted_by_period(
    price: Price, quantity: Decimal, share: Decimal
) -> None:
    part = rated(price, quantity=quantity, share=Fraction(share)).amount
    assert part == expected(shrunk(price, share), quantity)


EVENTS = st.lists(st.decimals(min_value=0, max_value=500, places=2), max_size=8)


@given(EVENTS, st.integers(0, 4), st.decimals(min_value=0, max_value=600, places=2), st.booleans())
def test_percentage_fees_grow_with_each_event_and_stay_in_bounds(
    events: list[Decimal],
    free_events: int,
    free_amount: Decimal,
    bounded: bool,  # noqa: FBT001
) -> None:
    model = Percentage(
        Decimal("2.5"),
        Decimal("0.30"),
        Decimal(free_events),
        free_amount,
        Decimal("0.40") if bounded else None,
        Decimal(5) if bounded else None,
    )
    amounts = [rated(Price(model), event_amounts=tuple(events[:n])).amount for n in range(len(events) + 1)]
    for before, after in pairwise(amounts):
        fee = after - before
        assert fee >= 0
        assert not bounded or fee == 0 or Fraction("0.40") <= fee <= 5


def _bounded(amount: Fraction, terms: Terms) -> Fraction:
    amount *= 1 - Fraction(terms.percent_discount) / 100
    if terms.maximum is not None:
        amount = min(amount, Fraction(terms.maximum))
    return amount if terms.minimum is None else max(amount, Fraction(terms.minimum))
