"""Rating: a price and what it is applied to become an exact amount with lines that explain it.

The order is always the same, on the cumulative quantity: conversion and its rounding, less free units, the
model, the discount, the maximum, the minimum once the period is over, less what an earlier part came to.
"""

from __future__ import annotations

from collections.abc import Iterator
from decimal import Decimal
from fractions import Fraction
from typing import TypeVar

from tollway.billing.rating.conversion import convert
from tollway.billing.rating.dynamic import dynamic_parts
from tollway.billing.rating.flat import flat_parts
from tollway.billing.rating.graduated import graduated_parts
from tollway.billing.rating.graduated_percentage import graduated_percentage_parts
from tollway.billing.rating.models import Facts, Rated, RatedLine
from tollway.billing.rating.package import package_parts
from tollway.billing.rating.parts import Part, Parts, amount_part, units_part
from tollway.billing.rating.per_unit import per_unit_parts
from tollway.billing.rating.percentage import percentage_parts
from tollway.billing.rating.volume import volume_parts
from tollway.billing.rating.wording import QUANTITY, Wording, grouped
from tollway.catalog.prices import (
    Dynamic,
    Flat,
    Graduated,
    GraduatedPercentage,
    Package,
    Percentage,
    PerUnit,
    Price,
    Terms,
    Volume,
)
from tollway.kernel.currency import Currency
from tollway.kernel.errors import InvalidInput

__all__ = ["rate"]

_Fact = TypeVar("_Fact")
_QuantityModel = PerUnit | Graduated | Volume | Package


def rate(price: Price, facts: Facts, currency: Currency, *, unit: str = "units") -> Rated:
    """Apply a price to the facts. `unit` is what the lines call its units, in the plural.

    `Money.rounded(rated.amount, currency)` is what is charged. An amount below zero is a credit: a volume
    price may fall as a period goes on.

    Raises:
        InvalidInput: a fact that the price needs is missing, or one that it can't take is there.
    """
    words = Wording(currency.code, unit)
    parts = _due(price, facts, words, last=facts.last)
    if facts.previously_billed is not None:
        parts.add(amount_part("billed", "Billed earlier", -Fraction(facts.previously_billed)))
    else:
        earlier = _earlier(price, facts)
        if earlier is not None:
            # The minimum waits for the period's last bill, so no earlier part can have had it.
            parts.subtract(_due(price, earlier, words, last=False))
    return _rated(parts)


def _due(price: Price, facts: Facts, words: Wording, *, last: bool) -> Parts:
    """Return what the period comes to so far."""
    parts = Parts(_model_parts(price, facts, words))
    terms, share = price.terms, facts.share
    if terms.percent_discount:
        percent = Fraction(terms.percent_discount)
        parts.add(amount_part("discount", f"Discount of {grouped(percent)}%", -parts.amount * percent / 100))
    if terms.maximum is not None:
        maximum = Fraction(terms.maximum) * share
        over = parts.amount - maximum
        if over > 0:
            parts.add(amount_part("maximum", f"Reduced to the maximum of {words.money(maximum)}", -over))
    if terms.minimum is not None and last:
        minimum = Fraction(terms.minimum) * share
        under = minimum - parts.amount
        if under > 0:
            parts.add(amount_part("minimum", f"Raised to the minimum of {words.money(minimum)}", under))
    return parts


def _earlier(price: Price, facts: Facts) -> Facts | None:
    """Return the facts as they stood when an earlier part was billed, None if none was."""
    if isinstance(price.model, Dynamic):
        _refuse(facts.previous_quantity, "previous_quantity", "a dynamic price", "previous_cost")
        if facts.previous_cost is None:
            return None
        return Facts(cost=facts.previous_cost, share=facts.share)
    _refuse(facts.previous_cost, "previous_cost", "a price that isn't dynamic", "previous_quantity")
    if facts.previous_quantity is None:
        return None
    # Neither says which events, or which buckets, made up the earlier quantity.
    if isinstance(price.model, Percentage):
        _refuse(facts.previous_quantity, "previous_quantity", "a percentage price", "previously_billed")
    if facts.bucket_quantities is not None:
        _refuse(facts.previous_quantity, "previous_quantity", "a price by buckets", "previously_billed")
    quantity = facts.previous_quantity
    return Facts(quantity=quantity, base_amount=quantity, share=facts.share)


def _model_parts(price: Price, facts: Facts, words: Wording) -> Iterator[Part]:
    model, terms = price.model, price.terms
    match model:
        case Flat():
            yield from flat_parts(model, facts.share)
        case Percentage():
            amounts = _needed(facts.event_amounts, "event_amounts", "a percentage price")
            yield from percentage_parts(model, [Fraction(amount) for amount in amounts], facts.share, words)
        case Dynamic():
            cost = _needed(facts.cost, "cost", "a dynamic price")
            charged, free = _chargeable(cost, terms, facts.share, words)
            yield from free
            yield from dynamic_parts(model, charged, words)
        case GraduatedPercentage():
            base = _needed(facts.base_amount, "base_amount", "a graduated percentage price")
            charged, free = _chargeable(base, terms, facts.share, words)
            yield from free
            yield from graduated_percentage_parts(model, charged, facts.share, words)
        case PerUnit() | Graduated() | Volume() | Package():
            for quantity in _quantities(facts):
                charged, free = _chargeable(quantity, terms, facts.share, words)
                yield from free
                yield from _quantity_parts(model, charged, facts.share, words)


def _quantity_parts(
    model: _QuantityModel, quantity: Fraction, share: Fraction, words: Wording
) -> Iterator[Part]:
    match model:
        case PerUnit():
            return per_unit_parts(model, quantity, words)
        case Graduated():
            return graduated_parts(model, quantity, share, words)
        case Volume():
            return volume_parts(model, quantity, share, words)
        case Package():
            return package_parts(model, quantity, words)


def _quantities(facts: Facts) -> tuple[Decimal, ...]:
    if facts.bucket_quantities is None:
        return (_needed(facts.quantity, "quantity", "a price by quantity"),)
    _refuse(facts.quantity, "quantity", "a price by buckets", "bucket_quantities alone")
    return facts.bucket_quantities


def _chargeable(
    quantity: Decimal, terms: Terms, share: Fraction, words: Wording
) -> tuple[Fraction, list[Part]]:
    """Return the quantity that is priced, converted and less what is free, and the free units' line."""
    if quantity < 0:
        raise InvalidInput("quantity", f"{quantity} is below zero", "write zero or more")
    converted = convert(Fraction(quantity), terms.unit_conversion)
    free = min(Fraction(terms.free_units) * share, converted)
    if not free:
        return converted, []
    return converted - free, [units_part("free", f"{QUANTITY} {words.unit} free", free, Fraction(0))]


def _rated(parts: Parts) -> Rated:
    """Make lines of the steps; those that came to nothing say nothing, unless there is nothing else."""
    everything = list(parts)
    shown = [part for part in everything if part.quantity]
    lines = tuple(
        RatedLine(
            part.description.replace(QUANTITY, grouped(part.quantity)),
            part.quantity,
            part.unit_amount,
            part.amount,
        )
        for part in shown or everything[:1]
    )
    return Rated(parts.amount, lines)


def _needed(fact: _Fact | None, name: str, who: str) -> _Fact:
    if fact is None:
        raise InvalidInput(name, f"{who} needs it, and it is missing", f'add "{name}"')
    return fact


def _refuse(fact: object, name: str, who: str, instead: str) -> None:
    if fact is not None:
        raise InvalidInput(name, f"{who} can't take it", f"give {instead}")
