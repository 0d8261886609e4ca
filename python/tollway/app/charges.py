"""Invoices as a customer's pages show them: each line with how it came about."""

from __future__ import annotations

from collections.abc import Sequence
from zoneinfo import ZoneInfo

from tollway.billing.models import Invoice, InvoiceLine, LineKind
from tollway.billing.wording import span
from tollway.kernel.currency import currency
from tollway.kernel.money import Money
from tollway.web.portal.ports.billing import Charge
from tollway.web.portal.ports.usage import CostLine

__all__ = ["charge", "cost_lines"]


def cost_lines(invoice: Invoice, zone: ZoneInfo) -> Sequence[CostLine]:
    """Return the lines of an invoice or of a draft; their days are those of `zone`."""
    unit = currency(invoice.currency)
    return [
        CostLine(line.description, _explained(line, zone), Money(line.total, unit)) for line in invoice.lines
    ]


def charge(invoice: Invoice, zone: ZoneInfo) -> Charge:
    """Return an invoice to come."""
    total = Money(invoice.total, currency(invoice.currency))
    return Charge(total, cost_lines(invoice, zone), invoice.period_end)


def _explained(line: InvoiceLine, zone: ZoneInfo) -> str:
    """Return how a line came about: for a fee what it pays for, for usage the steps of its price."""
    if line.kind in {LineKind.FEE, LineKind.CREDIT}:
        return span(line.service_start, line.service_end, zone)
    return ". ".join(step.description for step in line.explanation)
