"""From an invoice to JSON types: the form that scripts get, and from which page and text are made."""

from __future__ import annotations

from datetime import datetime
from typing import Any
from zoneinfo import ZoneInfo

from tollway.billing.models import Invoice, InvoiceLine, InvoiceSummary, PartyDetails, Phase, Subscription
from tollway.billing.wording import day, span
from tollway.kernel.currency import Currency, currency
from tollway.kernel.exact import to_text
from tollway.kernel.instants import format_instant
from tollway.kernel.money import Money
from tollway.kernel.zones import time_zone

__all__ = ["invoice_json", "lines_json", "run_json", "summary_json", "summary_of"]


def summary_json(summary: InvoiceSummary) -> dict[str, Any]:
    """Return what a list shows of an invoice. Amounts are decimal strings in major units."""
    return {
        "id": str(summary.id),
        "number": summary.number,
        "status": summary.status.value,
        "mode": summary.mode.value,
        "customer": summary.customer,
        "consumer": summary.consumer,
        "period_start": format_instant(summary.period_start),
        "period_end": format_instant(summary.period_end),
        "currency": summary.currency,
        "total": _money(summary.total, currency(summary.currency)),
        "finalised_at": _instant(summary.finalised_at),
    }


def run_json(invoice: Invoice, consumer: str, reason: str | None) -> dict[str, Any]:
    """Return what an invoice run says of an invoice; `reason` is why it was left as a draft."""
    return {
        "id": str(invoice.id),
        "number": invoice.number,
        "status": invoice.status.value,
        "mode": invoice.mode.value,
        "consumer": consumer,
        "period_start": format_instant(invoice.period_start),
        "period_end": format_instant(invoice.period_end),
        "currency": invoice.currency,
        "total": _money(invoice.total, currency(invoice.currency)),
        "reason": reason,
    }


def summary_of(invoice: Invoice, subscription: Subscription, customer: str) -> InvoiceSummary:
    """Return the summary of a whole invoice; `customer` is its name."""
    return InvoiceSummary(
        id=invoice.id,
        number=invoice.number,
        status=invoice.status,
        mode=invoice.mode,
        customer=customer,
        consumer=subscription.consumer_name,
        period_start=invoice.period_start,
        period_end=invoice.period_end,
        currency=invoice.currency,
        total=invoice.total,
        finalised_at=invoice.finalised_at,
    )


def invoice_json(invoice: Invoice, subscription: Subscription, customer: str) -> dict[str, Any]:
    """Return a whole invoice. Times are RFC 3339, `*_text` the same for people in the plan's time zone."""
    phases = {phase.id: phase for phase in subscription.phases}
    zone = _zone(next((phases[line.phase] for line in invoice.lines), subscription.phases[-1]))
    return {
        **summary_json(summary_of(invoice, subscription, customer)),
        "finalised_text": None if invoice.finalised_at is None else day(invoice.finalised_at, zone),
        "period_text": _period_text(invoice, zone),
        "sequence": invoice.sequence,
        "subscription": str(invoice.subscription),
        "supplier": None if invoice.supplier is None else _party(invoice.supplier),
        "recipient": None if invoice.recipient is None else _party(invoice.recipient),
        "lines": lines_json(invoice, subscription),
        "usage": {
            "complete_until": _instant(invoice.usage_watermark),
            "cursor": invoice.usage_cursor.to_json(),
        },
    }


def lines_json(invoice: Invoice, subscription: Subscription) -> list[dict[str, Any]]:
    """Return an invoice's lines, numbered from 1."""
    phases = {phase.id: phase for phase in subscription.phases}
    addons = {item.id: item.addon.label for item in subscription.items}
    return [
        _line_json(
            line, number, phases[line.phase], addons[line.item] if line.item else None, invoice.currency
        )
        for number, line in enumerate(invoice.lines, start=1)
    ]


def _line_json(line: InvoiceLine, number: int, phase: Phase, addon: str | None, code: str) -> dict[str, Any]:
    """Return a line: `amount` is exact, the explanation's amounts sum to it; `total` is what is charged.

    `addon` is the label of the add-on that it is for, if it is for one.
    """
    return {
        "line": number,
        "kind": line.kind.value,
        "description": line.description,
        "quantity": to_text(line.quantity),
        "unit_amount": None if line.unit_amount is None else to_text(line.unit_amount),
        "amount": to_text(line.amount),
        "total": _money(line.total, currency(code)),
        "meter": line.usage.meter if line.usage else None,
        "service_start": format_instant(line.service_start),
        "service_end": format_instant(line.service_end),
        "service_text": span(line.service_start, line.service_end, _zone(phase)),
        "price": f"{addon or phase.plan.label}/prices/{line.price_index}",
        "phase": str(line.phase),
        "add_on": addon,
        "explanation": [
            {
                "description": step.description,
                "quantity": to_text(step.quantity),
                "unit_amount": to_text(step.unit_amount),
                "amount": to_text(step.amount),
            }
            for step in line.explanation
        ],
    }


def _party(details: PartyDetails) -> dict[str, Any]:
    return {
        "name": details.name,
        "address": list(details.address),
        "country": details.country,
        "tax_ids": [{"kind": tax_id.kind, "value": tax_id.value} for tax_id in details.tax_ids],
    }


def _period_text(invoice: Invoice, zone: ZoneInfo) -> str | None:
    if invoice.period_start == invoice.period_end:
        return None
    return span(invoice.period_start, invoice.period_end, zone)


def _zone(phase: Phase) -> ZoneInfo:
    return time_zone(phase.plan.plan.timezone)


def _money(minor: int, unit: Currency) -> str:
    return Money(minor, unit).text


def _instant(instant: datetime | None) -> str | None:
    return None if instant is None else format_instant(instant)
