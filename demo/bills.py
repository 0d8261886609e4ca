"""What Tollway says happened: its usage events and its invoices.

An invoice at a time there are commands for all of this (`tollway invoice list`, `lines` and `events`); for
1,764 of them the demo calls what those commands call.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal

from demo.reconcile import Entry
from demo.stack import Stack
from tollway.app.commerce import open_seller
from tollway.app.invoice_report import find_invoice, invoice_events, summaries
from tollway.kernel.mode import Mode

__all__ = ["Bills", "Invoice", "read_bills", "read_metered"]


@dataclass(frozen=True, slots=True)
class Invoice:
    """One invoice; `calls` is the quantity on its usage lines, `total` in major units."""

    number: str
    consumer: str
    calls: int
    total: Decimal


@dataclass(frozen=True, slots=True)
class Bills:
    """The invoices, and every request that their lines open to."""

    invoices: tuple[Invoice, ...]
    entries: tuple[Entry, ...]

    @property
    def charged(self) -> Mapping[str, int]:
        """The calls on each consumer's invoice lines."""
        calls: Counter[str] = Counter()
        for invoice in self.invoices:
            calls[invoice.consumer] += invoice.calls
        return calls


def read_metered(stack: Stack) -> list[Entry]:
    """Return (consumer, request id) of every usage event that matches the catalog's meter."""
    events = stack.tollway_lines("usage", "events")
    return [(event["consumer"], event["request_id"]) for event in events if 200 <= event["status"] < 400]


def read_bills(stack: Stack) -> Bills:
    """Return every invoice, with the requests that its lines open to."""
    invoices, entries = [], []
    with open_seller(stack.settings) as seller:
        for row in summaries(seller, customer=None, mode=Mode.TEST, status=None):
            found = find_invoice(seller, row["number"])
            calls = sum(int(line.quantity) for line in found.lines if line.usage is not None)
            invoices.append(Invoice(row["number"], row["consumer"], calls, Decimal(row["total"])))
            events = invoice_events(seller, found, None)
            entries += [(event["consumer"], event["request_id"]) for event in events]
    return Bills(tuple(invoices), tuple(entries))
