"""Invoices as a customer's pages show them: each line with how it came about."""

from __future__ import annotations

from collections.abc import Sequence

from tollway.billing.models import Invoice, InvoiceLine
from tollway.kernel.currency import currency
from tollway.kernel.money import Money
from tollway.web.portal.ports.billing import Charge
from tollway.web.portal.ports.usage import CostLine

__all__ = ["charge", "cost_lines"]


def cost_lines(invoice: Invoice) -> Sequence[CostLine]:
    """Return the lines of an invoice or of a draft."""
    unit = currency(invoice.currency)
    return [CostLine(line.description, explained(line), Money(line.total, unit)) for line in invoice.lines]


def charge(invoice: Invoice) -> Charge:
    """Return an invoice to come."""
    return Charge(Money(invoice.total, currency(invoice.currency)), cost_lines(invoice), invoice.period_end)


def explained(line: InvoiceLine) -> str:
    """Return the steps of a line in words."""
    return "; ".join(step.description for step in line.explanation)
