"""`tollway invoice`: closing periods, and what came of it."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Mapping
from datetime import timedelta
from enum import StrEnum
from itertools import islice
from typing import Annotated, Any

import typer

from tollway.billing.models import InvoiceStatus
from tollway.cli.main import app
from tollway.cli.opening import opened_seller
from tollway.cli.output import DEFAULT_OUTPUT, Output, OutputOption, emit, emit_lines
from tollway.kernel.errors import Conflict
from tollway.kernel.instants import format_instant, parse_instant
from tollway.kernel.mode import Mode

__all__ = ["WaitOption", "emit_invoice", "emit_run"]

invoice_app = typer.Typer(
    help="Invoices, their lines and the requests behind them.", no_args_is_help=True, rich_markup_mode=None
)
app.add_typer(invoice_app, name="invoice")

_TABLE_ROWS = 1000
_SUMMARY = ("number", "status", "customer", "consumer", "period_start", "period_end", "total", "currency")
_RUN = ("number", "status", "consumer", "period_start", "period_end", "total", "currency", "reason")
_LINES = ("line", "kind", "description", "quantity", "amount", "total", "price")
_EVENTS = ("line", "time", "request_id", "status", "method", "path", "route", "units")

InvoiceArgument = Annotated[str, typer.Argument(help="The invoice's number or id.")]
WaitOption = Annotated[
    float, typer.Option(min=0, max=3600, help="Seconds to wait for usage that isn't all metered yet.")
]


class Format(StrEnum):
    """The forms of a whole invoice."""

    TABLE = "table"
    JSON = "json"
    HTML = "html"


@invoice_app.command()
def run(
    until: Annotated[str, typer.Option(help="Close periods that end at or before this instant, RFC 3339.")],
    mode: Annotated[Mode | None, typer.Option(help="Only live or only test subscriptions.")] = None,
    wait: WaitOption = 10,
    output: OutputOption = DEFAULT_OUTPUT,
) -> None:
    """Close every period that ended by then and finalise its invoice, without waiting for late usage.

    An invoice whose usage isn't all metered within --wait, or that lacks a detail of the seller, is left as a
    draft that says why; the exit code is 1 then. Running again goes on with it.

    Example: tollway invoice run --until 2026-12-01T00:00:00Z
    """
    instant = parse_instant(until, "--until")
    with opened_seller() as seller:
        now = seller.clock.now()
        if instant > now:
            typer.echo(f"tollway: periods that end after now, {format_instant(now)}, stay open", err=True)
        billed = seller.close_periods(min(instant, now), mode=mode, wait=timedelta(seconds=wait))
        emit_run(billed, output)


@invoice_app.command("list")
def list_invoices(
    customer: Annotated[str | None, typer.Option(help="Only this customer's, by name.")] = None,
    mode: Annotated[Mode | None, typer.Option(help="Only live or only test ones.")] = None,
    status: Annotated[InvoiceStatus | None, typer.Option(help="Only drafts or only final ones.")] = None,
    output: OutputOption = DEFAULT_OUTPUT,
) -> None:
    """Show invoices, those of the newest period last.

    Example: tollway invoice list --status draft
    """
    from tollway.app.invoice_report import summaries

    with opened_seller() as seller:
        emit(summaries(seller, customer=customer, mode=mode, status=status), output, columns=_SUMMARY)


@invoice_app.command()
def show(
    invoice: InvoiceArgument,
    form: Annotated[
        Format | None, typer.Option("--format", help="'html' is a page that stands alone.")
    ] = None,
    output: OutputOption = DEFAULT_OUTPUT,
) -> None:
    """Show a whole invoice.

    Example: tollway invoice show INV-000042 --format html > invoice.html
    """
    from tollway.app.invoice_report import find_invoice, invoice_document

    with opened_seller() as seller:
        emit_invoice(invoice_document(seller, find_invoice(seller, invoice)), form or output)


@invoice_app.command()
def preview(
    consumer: Annotated[str, typer.Option(help="Username, custom id or id of the consumer.")],
    form: Annotated[
        Format | None, typer.Option("--format", help="'html' is a page that stands alone.")
    ] = None,
    output: OutputOption = DEFAULT_OUTPUT,
) -> None:
    """Show a consumer's next invoice with the usage so far.

    Example: tollway invoice preview --consumer pro_user_123
    """
    from tollway.app.invoice_report import preview_document

    with opened_seller() as seller:
        emit_invoice(preview_document(seller, seller.subscribing.of(consumer)), form or output)


@invoice_app.command()
def lines(invoice: InvoiceArgument, output: OutputOption = DEFAULT_OUTPUT) -> None:
    """Show an invoice's lines: the exact amount, what is charged, and the price behind it.

    Example: tollway invoice lines INV-000042 --output json
    """
    from tollway.app.invoice_report import find_invoice, invoice_document

    with opened_seller() as seller:
        document = invoice_document(seller, find_invoice(seller, invoice))
        emit(document["lines"], output, columns=_LINES)


@invoice_app.command()
def events(
    invoice: InvoiceArgument,
    line: Annotated[int | None, typer.Option(help="Only those behind this line; the first is 1.")] = None,
    output: OutputOption = DEFAULT_OUTPUT,
) -> None:
    """Show the requests behind an invoice's usage lines: JSON lines; a table shows the first 1000.

    Example: tollway invoice events INV-000042 --line 2 --output json
    """
    from tollway.app.invoice_report import find_invoice, invoice_events

    with opened_seller() as seller:
        found = invoice_events(seller, find_invoice(seller, invoice), line)
        if output is Output.JSON:
            emit_lines(found)
            return
        emit(list(islice(found, _TABLE_ROWS)), output, columns=_EVENTS)
        if next(found, None) is not None:
            typer.echo(f"The first {_TABLE_ROWS}; --output json shows all.", err=True)


def emit_invoice(document: Mapping[str, Any], form: Format | Output) -> None:
    """Print a whole invoice as JSON, as a page or as text."""
    from tollway.web.invoice.page import invoice_page
    from tollway.web.invoice.text import invoice_text

    if form == Format.JSON:
        emit(document, Output.JSON)
    elif form == Format.HTML:
        sys.stdout.write(invoice_page(document) + "\n")
    else:
        sys.stdout.write(invoice_text(document))


def emit_run(rows: Iterable[dict[str, Any]], output: Output) -> None:
    """Print what a run did.

    Raises:
        Conflict: something was left as a draft.
    """
    done = list(rows)
    emit(done, output, columns=_RUN)
    drafts = [row for row in done if row["status"] == InvoiceStatus.DRAFT]
    if drafts:
        first = drafts[0]
        more = f" and {len(drafts) - 1} more" if len(drafts) > 1 else ""
        raise Conflict(f"left as a draft: the invoice of {first['consumer']!r}{more}: {first['reason']}")
