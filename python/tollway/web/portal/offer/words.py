"""Prices in the words of a plan table: amounts as people write them, each model in a line or two."""

from __future__ import annotations

from collections.abc import Iterator
from decimal import Decimal
from fractions import Fraction

from tollway.billing.rating.wording import grouped
from tollway.catalog.prices import (
    ConversionOperation,
    Dynamic,
    Flat,
    Graduated,
    GraduatedPercentage,
    Package,
    Percentage,
    PerUnit,
    Price,
    Tier,
    UnitConversion,
    Volume,
)
from tollway.kernel.currency import Currency
from tollway.kernel.exact import Exact
from tollway.kernel.money import Money

__all__ = ["UNLIMITED", "amount", "included", "money", "price_lines", "singular"]

UNLIMITED = Decimal("Infinity")
"""What is included where no unit is ever charged."""

_SIGNS = {"USD": "$", "EUR": "€", "GBP": "£", "JPY": "¥", "INR": "₹", "BRL": "R$", "CAD": "CA$", "AUD": "A$"}


def money(value: Money) -> str:
    """Write what is charged: `$149.00`; a currency without a sign here by its code: `CHF 149.00`."""
    written = f"{abs(value.amount):,f}"
    return ("\N{MINUS SIGN}" if value.minor < 0 else "") + _signed(written, value.currency)


def amount(value: Exact, currency: Currency) -> str:
    """Write a price as the seller set it: `$49`, `$0.002`, `$1.50`."""
    number = Fraction(value)
    if number.denominator == 1:
        return _signed(f"{number.numerator:,}", currency)
    rounded = Money.rounded(number, currency)
    if Fraction(rounded.amount) == number:
        return _signed(f"{rounded.amount:,f}", currency)
    return _signed(grouped(number), currency)


def _signed(written: str, currency: Currency) -> str:
    sign = _SIGNS.get(currency.code)
    return f"{sign}{written}" if sign else f"{currency.code}\N{NO-BREAK SPACE}{written}"


def singular(unit: str) -> str:
    """Return one of what `unit` calls in the plural: `call` of `calls`."""
    return unit[:-1] if unit.endswith("s") and not unit.endswith("ss") else unit


def included(price: Price) -> Decimal:
    """Return how many metered units a price charges nothing for, `UNLIMITED` for all of them."""
    model, terms = price.model, price.terms
    free = terms.free_units
    match model:
        case PerUnit() if model.unit_amount == 0:
            free = UNLIMITED
        case Graduated():
            for tier in model.tiers:
                if tier.unit_amount or tier.flat_amount:
                    break
                free = terms.free_units + tier.up_to if tier.up_to is not None else UNLIMITED
        case _:
            pass
    return free if free == UNLIMITED else _metered(free, terms.unit_conversion)


def _metered(quantity: Decimal, conversion: UnitConversion | None) -> Decimal:
    """Return how many metered units make that many priced ones."""
    if conversion is None or not conversion.factor:
        return quantity
    if conversion.operation is ConversionOperation.DIVIDE:
        return quantity * conversion.factor
    return (quantity / conversion.factor).quantize(Decimal(1))


def price_lines(price: Price, currency: Currency, unit: str) -> list[str]:
    """Say what units cost beyond those included, a line for each step; empty where nothing ever is charged.

    `unit` is the plural of what is counted.
    """
    lines = list(_model_lines(price, currency, singular(unit)))
    terms = price.terms
    conversion = terms.unit_conversion
    if conversion is not None and lines:
        sign = "÷" if conversion.operation is ConversionOperation.DIVIDE else "×"
        lines.append(f"priced per {unit} {sign} {grouped(conversion.factor)}")
    if terms.percent_discount:
        lines.append(f"less {grouped(terms.percent_discount)} %")
    if terms.minimum is not None:
        lines.append(f"at least {amount(terms.minimum, currency)}")
    if terms.maximum is not None:
        lines.append(f"at most {amount(terms.maximum, currency)}")
    return lines


def _model_lines(price: Price, currency: Currency, one: str) -> Iterator[str]:
    model = price.model
    match model:
        case Flat():
            yield amount(model.amount, currency)
        case PerUnit():
            if model.unit_amount:
                yield amount(model.unit_amount, currency)
        case Graduated() | Volume():
            yield from _tier_lines(model.tiers, currency, whole=isinstance(model, Volume))
        case Package():
            many = f"{grouped(model.package_size)} {one}s"
            yield f"{amount(model.package_amount, currency)} for each {many}"
        case Percentage():
            fixed = f" + {amount(model.fixed_per_event, currency)}" if model.fixed_per_event else ""
            yield f"{grouped(model.rate_percent)} %{fixed}"
        case GraduatedPercentage():
            for tier in model.tiers:
                bound = f" up to {amount(tier.up_to, currency)}" if tier.up_to is not None else ""
                yield f"{grouped(tier.rate_percent)} %{bound}"
        case Dynamic():
            yield "its cost" if model.multiplier == 1 else f"its cost × {grouped(model.multiplier)}"


def _tier_lines(tiers: tuple[Tier, ...], currency: Currency, *, whole: bool) -> Iterator[str]:
    paying = [tier for tier in tiers if tier.unit_amount or tier.flat_amount]
    for tier in paying:
        cost = amount(tier.unit_amount, currency) if tier.unit_amount or not tier.flat_amount else ""
        flat = amount(tier.flat_amount, currency) if tier.flat_amount else ""
        written = " + ".join(filter(None, (flat, cost)))
        if tier.up_to is not None:
            yield f"{written} up to {grouped(tier.up_to)}" + (" in all" if whole else "")
        else:
            yield written + (" beyond" if len(paying) > 1 else "")
