"""`tollway prorate`: what a change in mid-period gives back and charges."""

from __future__ import annotations

from datetime import date, datetime
from decimal import Decimal
from enum import StrEnum
from fractions import Fraction

from tollway.billing.calculators.answer import Answer
from tollway.billing.calculators.moments import is_date, read_date, read_instant
from tollway.billing.periods import Period
from tollway.billing.proration import prorate, prorate_quantity
from tollway.catalog.fields import Fields
from tollway.kernel.currency import currency
from tollway.kernel.exact import to_text

__all__ = ["calculate_proration"]

_MOST_DECIMALS = 30


class Basis(StrEnum):
    """What the shares of a period are counted in: elapsed seconds of instants, or the days between dates."""

    SECONDS = "seconds"
    DAYS = "days"


def calculate_proration(fields: Fields) -> Answer:
    """Answer `{"credit", "charge"}`, or `{"quantity"}` for the question with a quantity."""
    basis = fields.choice("basis", Basis, _basis_of(fields.value("period_start")))
    share_left = _share_of_days(fields) if basis is Basis.DAYS else _share_of_seconds(fields)
    if fields.has("quantity"):
        quantity = fields.decimal("quantity", signed=True) or Decimal(0)
        decimals = fields.whole("decimals", least=0, most=_MOST_DECIMALS) if fields.has("decimals") else 8
        return {"quantity": to_text(prorate_quantity(quantity, share_left, decimals))}
    money = currency(fields.need("currency", 'write an ISO 4217 code, e.g. "USD"') or "USD")
    old, new = fields.needed_decimal("old_amount"), fields.needed_decimal("new_amount")
    result = prorate(old, new, share_left, money)
    # Nothing computed from a stand-in leaves: `answer_line` raises what was noted first.
    return {"credit": result.credit.text, "charge": result.charge.text}


def _basis_of(start: object) -> Basis:
    return Basis.DAYS if is_date(start) else Basis.SECONDS


def _share_of_days(fields: Fields) -> Fraction:
    start, end, change = (
        read_date(fields, name) or date(1970, 1, index)
        for index, name in enumerate(("period_start", "period_end", "change_at"), start=1)
    )
    if not _in_order(fields, start, end):
        return Fraction(0)
    return Fraction((end - min(max(change, start), end)).days, (end - start).days)


def _share_of_seconds(fields: Fields) -> Fraction:
    start, end, change = (read_instant(fields, name) for name in ("period_start", "period_end", "change_at"))
    if start is None or end is None or change is None or not _in_order(fields, start, end):
        return Fraction(0)
    return Period(start, end).share_after(change)


def _in_order(fields: Fields, start: date | datetime, end: date | datetime) -> bool:
    if start < end:
        return True
    fields.fault("period_end", "not after period_start", "let the period end after it starts")
    return False
