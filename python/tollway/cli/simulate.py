"""`tollway simulate`."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated

import typer

from tollway.cli.main import app
from tollway.cli.output import DEFAULT_OUTPUT, Output, OutputOption, emit
from tollway.metering.access_log.tally import ConsumerField

__all__ = ["simulate"]

_SHOWN_CONSUMERS = 25


@app.command()
def simulate(
    access_log: Annotated[
        Path, typer.Option(help="Combined format or JSON lines, plain or gzip.", show_default=False)
    ],
    plans: Annotated[Path, typer.Option(help="A catalog file.", show_default=False)],
    plan: Annotated[str, typer.Option(help="The plan that everybody is on.", show_default=False)],
    consumer_field: Annotated[
        ConsumerField, typer.Option(help="The log's field that says who called.")
    ] = ConsumerField.REMOTE_USER,
    output: OutputOption = DEFAULT_OUTPUT,
) -> None:
    """Say what a price list would have billed on an access log.

    Example:  tollway simulate --access-log access.log.gz --plans catalog.yaml --plan pro
    --consumer-field remote_addr
    """
    from tollway.app.simulate import simulate as run

    with _progress(access_log) as progress:
        result = run(
            access_log=access_log,
            plans=plans,
            plan=plan,
            consumer_field=consumer_field,
            progress=progress,
        )
    for fault in result.faults:
        sys.stderr.write(f"{fault}\n")
    if result.lines_rejected > len(result.faults):
        sys.stderr.write(f"… and {result.lines_rejected - len(result.faults)} more faulty lines\n")
    consumers = [
        {
            "consumer": bill.consumer,
            "requests": bill.requests,
            "billable": bill.billable,
            "amount": bill.amount.text,
        }
        for bill in result.consumers
    ]
    summary = {
        "lines_read": result.lines_read,
        "lines_rejected": result.lines_rejected,
        "currency": result.currency.code,
        "total": result.total.text,
    }
    if output is Output.JSON:
        emit({**summary, "consumers": consumers}, output)
        return
    emit(consumers[:_SHOWN_CONSUMERS], output, title=f"Plan {plan}")
    if len(consumers) > _SHOWN_CONSUMERS:
        sys.stdout.write(f"… and {len(consumers) - _SHOWN_CONSUMERS} more consumers (all: --output json)\n")
    emit({**summary, "consumers": len(consumers)}, output)


@contextmanager
def _progress(path: Path) -> Iterator[Callable[[int], object]]:
    """Show how much of a file has been read, if somebody is looking."""
    if not sys.stderr.isatty() or not path.is_file():
        yield lambda _read: None
        return
    from rich.console import Console
    from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn, TimeRemainingColumn

    columns = (TextColumn("reading {task.description}"), BarColumn(), DownloadColumn(), TimeRemainingColumn())
    with Progress(*columns, console=Console(stderr=True), transient=True) as bar:
        task = bar.add_task(path.name, total=path.stat().st_size)
        yield lambda read: bar.update(task, completed=read)
