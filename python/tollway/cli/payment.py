"""`tollway payment`: what was collected, and money given back."""

from __future__ import annotations

from typing import Annotated

import typer

from tollway.billing.payments.models import PaymentStatus
from tollway.cli.main import app
from tollway.cli.opening import opened_desk
from tollway.cli.output import DEFAULT_OUTPUT, OutputOption, emit
from tollway.kernel.mode import Mode

__all__: list[str] = []

payment_app = typer.Typer(
    help="What was collected, and money given back.", no_args_is_help=True, rich_markup_mode=None
)
app.add_typer(payment_app, name="payment")

_COLUMNS = ("invoice", "customer", "status", "amount", "refunded", "currency", "reason", "created_at")


@payment_app.command("list")
def list_payments(
    customer: Annotated[str | None, typer.Option(help="Only this customer's, by name.")] = None,
    mode: Annotated[Mode | None, typer.Option(help="Only live or only test ones.")] = None,
    status: Annotated[PaymentStatus | None, typer.Option(help="Only those that stand so.")] = None,
    limit: Annotated[int, typer.Option(min=1, max=10_000, help="At most so many.")] = 100,
    output: OutputOption = DEFAULT_OUTPUT,
) -> None:
    """Show payments, the newest first.

    Example: tollway payment list --status declined
    """
    with opened_desk() as desk:
        emit(desk.search(mode=mode, customer=customer, status=status, limit=limit), output, columns=_COLUMNS)


@payment_app.command()
def collect(
    invoice: Annotated[
        str | None, typer.Option(help="Only this invoice, by number or id; also one that was declined.")
    ] = None,
    output: OutputOption = DEFAULT_OUTPUT,
) -> None:
    """Collect final invoices of customers with a saved card now, as the worker does by itself.

    A payment without an answer is asked about first, and never sent again blindly.

    Example: tollway payment collect --invoice INV-000042
    """
    with opened_desk() as desk:
        emit(desk.collect(invoice), output, columns=_COLUMNS)


@payment_app.command()
def refund(
    invoice: Annotated[str, typer.Option(help="The invoice's number, or the payment's id.")],
    amount: Annotated[
        str | None, typer.Option(help="How much, e.g. 12.50; all that is left if not given.")
    ] = None,
    reason: Annotated[str, typer.Option(help="Why; kept with the refund.")] = "",
    output: OutputOption = DEFAULT_OUTPUT,
) -> None:
    """Give money back to the card that paid. The invoice stays paid.

    Example: tollway payment refund --invoice INV-000042 --amount 12.50 --reason "an outage"
    """
    with opened_desk() as desk:
        emit(desk.refund(invoice, amount, reason), output, columns=_COLUMNS)
