"""Invoice lines: what each kind charges, rounded, and the steps that explain it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from decimal import Decimal
from fractions import Fraction

from tollway.billing.models import Explanation, InvoiceLine, LineKind, UsageWindow
from tollway.billing.rating.charge import charge
from tollway.billing.rating.models import Facts, RatedLine
from tollway.billing.rating.rate import rate
from tollway.billing.timeline import PeriodPart
from tollway.billing.wording import span
from tollway.catalog.prices import Price
from tollway.kernel.exact import texts, to_text
from tollway.kernel.money import Money
from tollway.kernel.zones import time_zone
from tollway.metering.models import CursorVector

__all__ = ["credit_line", "fee_line", "late_line", "usage_line"]

_ONE = Decimal(1)


def fee_line(part: PeriodPart, index: int, price: Price) -> InvoiceLine:
    """Return the line of a recurring fee, for as much of the period as the part covers."""
    currency = part.phase.plan.currency
    rated = rate(price, Facts(share=part.share), currency)
    end = part.period.end if part.cancelled else part.end
    line = _line(
        part,
        index,
        kind=LineKind.FEE,
        description=_sold_as(part),
        quantity=_ONE,
        steps=rated.lines,
        total=Money.rounded(rated.amount, currency),
    )
    return replace(line, service_start=part.start, service_end=end)


def credit_line(part: PeriodPart, index: int, price: Price, paid: InvoiceLine) -> InvoiceLine | None:
    """Return what is given back of a fee that was paid beyond the part's end, None if it was not."""
    if paid.service_end <= part.end:
        return None
    currency = part.phase.plan.currency
    left = part.period.share_after(part.end)
    fee = rate(price, Facts(), currency).amount
    step = RatedLine("Unused part of the fee", -left, fee, -fee * left)
    line = _line(
        part,
        index,
        kind=LineKind.CREDIT,
        description=f"Unused: {_sold_as(part)}",
        quantity=_ONE,
        steps=[step],
        total=Money.rounded(step.amount, currency),
    )
    return replace(line, service_start=part.end, service_end=paid.service_end)


def usage_line(part: PeriodPart, index: int, price: Price, quantity: Decimal) -> InvoiceLine:
    """Return the line of a metered price for all that a part holds."""
    meter = _meter(price)
    currency = part.phase.plan.currency
    rated = rate(price, Facts(quantity=quantity, share=part.share), currency, unit=_unit(meter))
    line = _line(
        part,
        index,
        kind=LineKind.USAGE,
        description=f"Usage of {meter}{_by_add_on(part)}",
        quantity=quantity,
        steps=rated.lines,
        total=Money.rounded(rated.amount, currency),
    )
    return replace(line, usage=UsageWindow(meter=meter, start=part.usage_start, end=part.usage_end))


def late_line(
    part: PeriodPart,
    index: int,
    price: Price,
    quantity: Decimal,
    *,
    billed: Sequence[InvoiceLine],
    after: CursorVector,
) -> InvoiceLine | None:
    """Return the line for what a closed part now holds beyond what was `billed` for it, None if nothing.

    Together, the part's lines charge what one line for all of it would have: the price is applied to the
    whole quantity, rounded, and what was charged is taken off.
    """
    meter = _meter(price)
    more = quantity - sum((line.quantity for line in billed), Decimal(0))
    # What was metered only grows. The log is read anew at a period's edges, where a meter's route that has
    # lost its name since takes less: that gives nothing back of a finalised invoice.
    if more <= 0:
        return None
    currency = part.phase.plan.currency
    charged = Money(sum(line.total for line in billed), currency)
    facts = Facts(quantity=quantity, share=part.share, previously_billed=charged.amount)
    rated = rate(price, facts, currency, unit=_unit(meter))
    when = span(part.start, part.end, time_zone(part.phase.plan.plan.timezone))
    line = _line(
        part,
        index,
        kind=LineKind.LATE_USAGE,
        description=f"Late usage of {meter}{_by_add_on(part)}, {when}",
        quantity=more,
        steps=rated.lines,
        total=charge(rated, currency, charged.amount),
    )
    window = UsageWindow(meter=meter, start=part.usage_start, end=part.usage_end, after=after)
    return replace(line, usage=window)


def _line(
    part: PeriodPart,
    index: int,
    *,
    kind: LineKind,
    description: str,
    quantity: Decimal,
    steps: Sequence[RatedLine],
    total: Money,
) -> InvoiceLine:
    amount, amounts = texts([step.amount for step in steps])
    single = steps[0] if len(steps) == 1 and steps[0].quantity == Fraction(quantity) else None
    return InvoiceLine(
        kind=kind,
        description=description,
        quantity=quantity,
        unit_amount=_decimal(single.unit_amount) if single else None,
        amount=Decimal(amount),
        total=total.minor,
        price_index=index,
        phase=part.phase.id,
        item=None if part.item is None else part.item.id,
        service_start=part.start,
        service_end=part.end,
        explanation=tuple(
            Explanation(
                description=step.description,
                quantity=_decimal(step.quantity),
                unit_amount=_decimal(step.unit_amount),
                amount=Decimal(text),
            )
            for step, text in zip(steps, amounts, strict=True)
        ),
    )


def _sold_as(part: PeriodPart) -> str:
    if part.item is not None:
        return f"Add-on {part.item.addon.addon.name}"
    return f"Plan {part.phase.plan.plan.name}"


def _by_add_on(part: PeriodPart) -> str:
    return "" if part.item is None else f" ({_sold_as(part)})"


def _meter(price: Price) -> str:
    assert price.meter is not None, "a price without a meter is a fee"
    return price.meter


def _unit(meter: str) -> str:
    return meter.replace("_", " ")


def _decimal(number: Fraction) -> Decimal:
    return Decimal(to_text(number))
