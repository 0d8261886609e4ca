"""`tollway intake`: usage that other programs report."""

from __future__ import annotations

from typing import Annotated, Any

import typer

from tollway.cli.main import app
from tollway.cli.opening import opened_usage
from tollway.cli.output import DEFAULT_OUTPUT, OutputOption, emit
from tollway.kernel.instants import format_instant

__all__: list[str] = []

intake_app = typer.Typer(
    help="Usage from elsewhere: RabbitMQ's queue, and what names no consumer.",
    no_args_is_help=True,
    rich_markup_mode=None,
)
app.add_typer(intake_app, name="intake")

ConsumerOption = Annotated[
    str | None, typer.Option(help="Only messages with this consumer_id, as they write it.")
]
_MOST = 1000


@intake_app.command()
def status(output: OutputOption = DEFAULT_OUTPUT) -> None:
    """Show what waits in the queue, what was taken in and what is parked.

    Example: tollway intake status
    """
    from tollway.app.bus import intake_status
    from tollway.app.settings import load_settings

    with opened_usage() as usage:
        emit(intake_status(load_settings().bus_url, usage), output)


@intake_app.command()
def parked(consumer: ConsumerOption = None, output: OutputOption = DEFAULT_OUTPUT) -> None:
    """Show the messages that name no consumer, the oldest 1000 of them.

    Example: tollway intake parked --consumer pro_user_123
    """
    with opened_usage() as usage, usage.reported.read() as store:
        rows: list[dict[str, Any]] = [
            {
                "position": message.position,
                "received": format_instant(message.received_at),
                "consumer_id": message.subject,
                "message_id": message.id,
                "body": message.body.decode(errors="replace"),
            }
            for message in store.parked(subject=consumer, limit=_MOST)
        ]
    emit(rows, output)


@intake_app.command()
def replay(
    *,
    consumer: ConsumerOption = None,
    bill_early: Annotated[
        bool,
        typer.Option(
            "--bill-early", help="Bill what was used before the first subscription in its first period."
        ),
    ] = False,
    output: OutputOption = DEFAULT_OUTPUT,
) -> None:
    """Count the parked messages whose consumer exists by now.

    Example: tollway intake replay --consumer pro_user_123
    """
    with opened_usage() as usage:
        done = usage.external.replay(subject=consumer, early=bill_early)
    emit(
        {
            "stored": done.stored,
            "duplicates": done.duplicates,
            "unbilled": done.unbilled,
            "left": done.left,
        },
        output,
    )
