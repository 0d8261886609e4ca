"""`tollway usage` and `tollway usage events`."""

from __future__ import annotations

from itertools import islice
from typing import Annotated

import typer

from tollway.cli.main import app
from tollway.cli.opening import opened_usage
from tollway.cli.output import DEFAULT_OUTPUT, Output, OutputOption, emit, emit_lines

__all__: list[str] = []

usage_app = typer.Typer(rich_markup_mode=None)
app.add_typer(usage_app, name="usage")

ConsumerOption = Annotated[
    str | None, typer.Option("--consumer", help="Only this one: username, custom id or id.")
]
FromOption = Annotated[
    str | None, typer.Option("--from", help="From this instant on, RFC 3339, e.g. 2026-11-01T00:00:00Z.")
]
ToOption = Annotated[str | None, typer.Option("--to", help="Before this instant, RFC 3339.")]

_COLUMNS = ("time", "request_id", "consumer", "status", "method", "path", "route", "units")
_TABLE_ROWS = 1000


@usage_app.callback(invoke_without_command=True)
def usage(
    context: typer.Context,
    *,
    consumer: ConsumerOption = None,
    start: FromOption = None,
    end: ToOption = None,
    output: OutputOption = DEFAULT_OUTPUT,
) -> None:
    """What was used, per consumer and meter; `events` shows the requests behind it.

    Example: tollway usage --consumer pro_user_123 --from 2026-11-01 --to 2026-12-01
    """
    if context.invoked_subcommand is not None:
        return
    from tollway.app.usage_report import parse_range, usage_rows

    first, last = parse_range(start, end)
    with opened_usage() as opened:
        emit(usage_rows(opened, consumer=consumer, start=first, end=last), output)


@usage_app.command()
def events(
    *,
    consumer: ConsumerOption = None,
    meter: Annotated[str | None, typer.Option(help="Only those that this meter added up.")] = None,
    start: FromOption = None,
    end: ToOption = None,
    output: OutputOption = DEFAULT_OUTPUT,
) -> None:
    """Show the requests behind the quantities: JSON lines, as they are read; a table shows the first 1000.

    Example: tollway usage events --consumer pro_user_123 --output json
    """
    from tollway.app.usage_report import parse_range, usage_events

    first, last = parse_range(start, end)
    with opened_usage() as opened:
        found = usage_events(opened, consumer=consumer, meter=meter, start=first, end=last)
        if output is Output.JSON:
            emit_lines(found)
            return
        shown = list(islice(found, _TABLE_ROWS))
        emit(shown, output, columns=_COLUMNS)
        if next(found, None) is not None:
            typer.echo(f"The first {_TABLE_ROWS}; --output json shows all, --from and --to fewer.", err=True)
