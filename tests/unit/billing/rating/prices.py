"""Prices and quantities of every kind, for property tests; and what they come to, computed another way."""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal
from fractions import Fraction
from itertools import pairwise
from math import ceil, floor

from hypothesis import strategies as st

from tollway.catalog.prices import (
    ConversionOperation,
    Flat,
    Graduated,
    Model,
    Package,
    PackageRounding,
    PerUnit,
    Price,
    QuantityRounding,
    Terms,
    Tier,
    UnitConversion,
    Volume,
)

QUANTITIES = st.decimals(min_value=0, max_value=3000, places=2)
AMOUNTS = st.decimals(min_value=0, max_value=100, places=4)
_ABOVE_ZERO = st.decimals(min_value=Decimal("0.01"), max_value=500, places=2)


@st.composite
def tiers(draw: st.DrawFn) -> tuple[Tier, ...]:
    bounds = sorted(draw(st.sets(_ABOVE_ZERO, max_size=4)))
    return tuple(
        Tier(bound, draw(AMOUNTS), draw(st.just(Decimal(0)) | AMOUNTS), draw(st.none() | AMOUNTS))
        for bound in (*bounds, None)
    )


def models(*, falling: bool = True) -> st.SearchStrategy[Model]:
    """Every model that takes a quantity; without `falling`, those whose amount never falls with it."""
    rising: st.SearchStrategy[Model] = st.one_of(
        st.builds(Flat, AMOUNTS),
        st.builds(PerUnit, AMOUNTS),
        st.builds(Graduated, tiers()),
        st.builds(Package, _ABOVE_ZERO, AMOUNTS, st.sampled_from(PackageRounding)),
    )
    return rising | st.builds(Volume, tiers()) if falling else rising


CONVERSIONS = st.builds(
    UnitConversion, st.sampled_from(ConversionOperation), _ABOVE_ZERO, st.sampled_from(QuantityRounding)
)
TERMS = st.builds(
    Terms,
    unit_conversion=st.none() | CONVERSIONS,
    free_units=st.just(Decimal(0)) | QUANTITIES,
    percent_discount=st.just(Decimal(0)) | st.decimals(min_value=0, max_value=100, places=2),
    maximum=st.none() | AMOUNTS,
    minimum=st.none() | AMOUNTS,
)


def prices(*, falling: bool = True) -> st.SearchStrategy[Price]:
    """Prices of those models with any terms."""
    return st.builds(Price, models(falling=falling), TERMS)


def expected(price: Price, quantity: Decimal, *, last: bool = True) -> Fraction:
    """What a price comes to, by another way than the rating's: no lines, no steps, one formula each."""
    terms, units = price.terms, Fraction(quantity)
    if terms.unit_conversion is not None:
        factor = Fraction(terms.unit_conversion.factor)
        units *= factor if terms.unit_conversion.operation == "multiply" else 1 / factor
        units = {
            "none": units,
            "ceil": Fraction(ceil(units)),
            "floor": Fraction(floor(units)),
            "round": Fraction(floor(units + Fraction(1, 2))),
        }[terms.unit_conversion.quantity_rounding.value]
    units = max(units - Fraction(terms.free_units), Fraction(0))
    amount = _model(price.model, units) * (1 - Fraction(terms.percent_discount) / 100)
    if terms.maximum is not None:
        amount = min(amount, Fraction(terms.maximum))
    if terms.minimum is not None and last:
        amount = max(amount, Fraction(terms.minimum))
    return amount


def _model(model: Model, units: Fraction) -> Fraction:
    match model:
        case Flat():
            return Fraction(model.amount)
        case PerUnit():
            return units * Fraction(model.unit_amount)
        case Package():
            packages = units / Fraction(model.package_size)
            return (ceil if model.package_rounding == "up" else floor)(packages) * Fraction(
                model.package_amount
            )
        case Graduated():
            bounds = [Fraction(-1), *(Fraction(tier.up_to or 10**12) for tier in model.tiers)]
            return sum(
                (
                    _tier(tier, min(units, upper) - max(lower, Fraction(0)))
                    for tier, (lower, upper) in zip(model.tiers, pairwise(bounds), strict=True)
                    if units > lower
                ),
                Fraction(0),
            )
        case Volume():
            return _tier(next(t for t in model.tiers if t.up_to is None or units <= Fraction(t.up_to)), units)
        case _:
            raise AssertionError(model)


def _tier(tier: Tier, units: Fraction) -> Fraction:
    cost = units * Fraction(tier.unit_amount) + Fraction(tier.flat_amount)
    return cost if tier.tier_cap is None else min(cost, Fraction(tier.tier_cap))


def shrunk(price: Price, share: Decimal) -> Price:
    """The price of that share of a period: all that is counted by period is that much smaller."""
    terms = replace(
        price.terms,
        free_units=price.terms.free_units * share,
        maximum=None if price.terms.maximum is None else price.terms.maximum * share,
        minimum=None if price.terms.minimum is None else price.terms.minimum * share,
    )
    match price.model:
        case Flat(amount):
            return Price(Flat(amount * share), terms)
        case Graduated(steps) | Volume(steps):
            smaller = (
                Tier(
                    None if step.up_to is None else step.up_to * share,
                    step.unit_amount,
                    step.flat_amount * share,
                    None if step.tier_cap is None else step.tier_cap * share,
                )
                for step in steps
            )
            return Price(type(price.model)(tuple(smaller)), terms)
        case _:
            return Price(price.model, terms)
