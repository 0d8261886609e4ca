"""`tollway price`: what a price comes to."""

from __future__ import annotations

from decimal import Decimal

from tollway.billing.calculators.answer import Answer
from tollway.billing.rating.charge import charge
from tollway.billing.rating.models import Facts
from tollway.billing.rating.rate import rate
from tollway.catalog.fields import Fields
from tollway.catalog.price_fields import read_price
from tollway.catalog.prices import (
    Dynamic,
    Flat,
    Graduated,
    GraduatedPercentage,
    Model,
    Package,
    Percentage,
    PerUnit,
    Volume,
)
from tollway.kernel.currency import currency
from tollway.kernel.exact import texts, to_text

__all__ = ["calculate_price"]

_BY_QUANTITY = frozenset({"quantity", "bucket_quantities", "previous_quantity"})
_FACTS: dict[type[Model], frozenset[str]] = {
    Flat: frozenset({"previous_quantity"}),
    PerUnit: _BY_QUANTITY,
    Graduated: _BY_QUANTITY,
    Volume: _BY_QUANTITY,
    Package: _BY_QUANTITY,
    Percentage: frozenset({"event_amounts"}),
    GraduatedPercentage: frozenset({"base_amount", "previous_quantity"}),
    Dynamic: frozenset({"cost", "previous_cost"}),
}
_ALL_FACTS = frozenset[str]().union(*_FACTS.values())


def calculate_price(fields: Fields) -> Answer:
    """Answer `{"amount", "total", "lines"}`; see docs/seller/pricing.md for the question."""
    money = currency(fields.need("currency", 'write an ISO 4217 code, e.g. "USD"') or "USD")
    content = fields.need("price", 'write {"model": …}')
    fields.faults.raise_any()
    price = read_price(content, ("price",), fields.faults, with_meter=False)
    facts = _facts(fields)
    if not fields.faults.found:
        # A price that never looks at the quantity gives the same amount whatever it is; any other fact
        # that a price doesn't take is a mistake that would go unnoticed.
        for name in sorted(_ALL_FACTS - _FACTS[type(price.model)] - {"quantity"}):
            if fields.has(name):
                fields.fault(name, "a price of this model does not take it", "remove it")
    fields.faults.raise_any()
    rated = rate(price, facts, money)
    amount, amounts = texts([line.amount for line in rated.lines])
    return {
        "amount": amount,
        "total": charge(rated, money, facts.previously_billed).text,
        "lines": [
            {
                "description": line.description,
                "quantity": to_text(line.quantity),
                "unit_amount": to_text(line.unit_amount),
                "amount": text,
            }
            for line, text in zip(rated.lines, amounts, strict=True)
        ],
    }


def _facts(fields: Fields) -> Facts:
    return Facts(
        quantity=fields.decimal("quantity"),
        bucket_quantities=_list(fields, "bucket_quantities"),
        event_amounts=_list(fields, "event_amounts"),
        base_amount=fields.decimal("base_amount"),
        cost=fields.decimal("cost"),
        previous_quantity=fields.decimal("previous_quantity"),
        previous_cost=fields.decimal("previous_cost"),
        # A volume price may fall, so what was billed before may have been a credit.
        previously_billed=fields.decimal("previously_billed", signed=True),
        last=fields.truth("last", default=True),
    )


def _list(fields: Fields, name: str) -> tuple[Decimal, ...] | None:
    return tuple(fields.decimals(name)) if fields.has(name) else None
