"""`tollway billing`: billing under a test clock."""

from __future__ import annotations

from datetime import timedelta
from typing import Annotated

import typer

from tollway.cli.invoice import WaitOption, emit_run
from tollway.cli.main import app
from tollway.cli.opening import opened_seller
from tollway.cli.output import DEFAULT_OUTPUT, OutputOption
from tollway.kernel.instants import parse_instant

__all__: list[str] = []

billing_app = typer.Typer(help="Billing under a test clock.", no_args_is_help=True, rich_markup_mode=None)
app.add_typer(billing_app, name="billing")


@billing_app.callback()
def _group() -> None:
    """Keep `billing` a group of commands however few there are."""


@billing_app.command()
def run(
    as_of: Annotated[str, typer.Option(help="What time it is for test subscriptions, RFC 3339.")],
    wait: WaitOption = 10,
    output: OutputOption = DEFAULT_OUTPUT,
) -> None:
    """Let time pass for test subscriptions: changes take effect, periods close, invoices are finalised.

    A period that is not over by the real clock holds what was served until this command began.

    Example: tollway billing run --as-of 2026-12-01T00:00:00Z
    """
    instant = parse_instant(as_of, "--as-of")
    with opened_seller() as seller:
        emit_run(seller.close_test_periods(instant, wait=timedelta(seconds=wait)), output)
