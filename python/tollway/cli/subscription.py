"""`tollway subscription`: who is on which plan."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path
from typing import Annotated, Any

import typer

from tollway.billing.models import Subscription
from tollway.billing.subscriptions import Timing
from tollway.cli.main import app
from tollway.cli.opening import opened_seller
from tollway.cli.output import DEFAULT_OUTPUT, OutputOption, emit
from tollway.kernel.errors import InvalidInput
from tollway.kernel.instants import format_instant
from tollway.kernel.mode import Mode

__all__: list[str] = []

subscription_app = typer.Typer(help="Who is on which plan.", no_args_is_help=True, rich_markup_mode=None)
app.add_typer(subscription_app, name="subscription")

ConsumerOption = Annotated[str, typer.Option("--consumer", help="Username, custom id or id of the consumer.")]
PlanOption = Annotated[str, typer.Option("--plan", help="Name of the plan.")]
_COLUMNS = ("consumer", "plan", "status", "mode", "starts_at", "ends_at", "next_plan", "next_plan_at")


@subscription_app.command()
def create(
    consumer: ConsumerOption,
    plan: PlanOption,
    mode: Annotated[Mode, typer.Option(help="Test subscriptions are never collected.")] = Mode.LIVE,
    output: OutputOption = DEFAULT_OUTPUT,
) -> None:
    """Subscribe a consumer to a plan from now on. A customer of its name is made if it has none.

    Example: tollway subscription create --consumer pro_user_123 --plan pro
    """
    with opened_seller() as seller:
        subscription = seller.subscribing.create(consumer, plan, mode)
        emit(_row(subscription, seller.clock.now()), output, columns=_COLUMNS)


@subscription_app.command("import")
def import_file(
    file: Annotated[Path, typer.Argument(help='JSON lines such as {"consumer": "acme", "plan": "pro"}.')],
    mode: Annotated[Mode, typer.Option(help="Test subscriptions are never collected.")] = Mode.LIVE,
    output: OutputOption = DEFAULT_OUTPUT,
) -> None:
    """Subscribe many consumers from now on. Whoever has the plan given already is passed over.

    The file is read in whole first. A load that broke off can be run again.

    Example: tollway subscription import subscriptions.jsonl
    """
    wanted = list(_wanted(file))
    with opened_seller() as seller:
        done = sum(1 for _ in seller.subscribing.create_many(wanted, mode))
    emit({"file": str(file), "subscriptions": done}, output)


@subscription_app.command()
def change(
    consumer: ConsumerOption,
    plan: PlanOption,
    *,
    preview: Annotated[
        bool, typer.Option("--preview", help="Show the next invoice as it would be, and change nothing.")
    ] = False,
    output: OutputOption = DEFAULT_OUTPUT,
) -> None:
    """Change the plan: an upgrade at once, anything else when the period ends.

    An upgrade is a higher recurring fee at the same interval.

    Example: tollway subscription change --consumer pro_user_123 --plan enterprise --preview
    """
    from tollway.app.invoice_report import preview_document
    from tollway.cli.invoice import emit_invoice

    with opened_seller() as seller:
        changed = seller.subscribing.change(consumer, plan, dry_run=preview)
        if preview:
            emit_invoice(preview_document(seller, changed.subscription), output)
            return
        row = _row(changed.subscription, seller.clock.now())
        emit(
            {**row, "change": changed.timing.value, "effective_at": format_instant(changed.effective_at)},
            output,
            columns=(*_COLUMNS, "change", "effective_at"),
        )


@subscription_app.command("add-on")
def change_add_on(
    consumer: ConsumerOption,
    *,
    add: Annotated[str | None, typer.Option("--add", help="Name of the add-on to take on.")] = None,
    remove: Annotated[str | None, typer.Option("--remove", help="Name of the add-on to give up.")] = None,
    now: Annotated[
        bool, typer.Option("--now", help="Remove it at once, and give the rest of its fee back.")
    ] = False,
    preview: Annotated[
        bool, typer.Option("--preview", help="Show the next invoice as it would be, and change nothing.")
    ] = False,
    output: OutputOption = DEFAULT_OUTPUT,
) -> None:
    """Take an add-on on, in force at once, or give one up when the period ends.

    Its fee for the rest of the period is on the next invoice.

    Example: tollway subscription add-on --consumer pro_user_123 --add extra_analytics
    """
    from tollway.app.invoice_report import preview_document
    from tollway.cli.invoice import emit_invoice

    if (add is None) == (remove is None) or (now and remove is None):
        raise InvalidInput("--add", "give either --add NAME, or --remove NAME with or without --now")
    timing = Timing.NOW if now else Timing.PERIOD_END
    with opened_seller() as seller:
        if add is not None:
            changed = seller.subscribing.add_on(consumer, add, dry_run=preview)
        else:
            changed = seller.subscribing.remove_add_on(consumer, remove or "", timing, dry_run=preview)
        if preview:
            emit_invoice(preview_document(seller, changed.subscription), output)
            return
        row = _row(changed.subscription, seller.clock.now())
        emit(
            {**row, "change": changed.timing.value, "effective_at": format_instant(changed.effective_at)},
            output,
            columns=(*_COLUMNS, "change", "effective_at"),
        )


@subscription_app.command()
def cancel(
    consumer: ConsumerOption,
    *,
    now: Annotated[bool, typer.Option("--now", help="At once, not at the period's end.")] = False,
    output: OutputOption = DEFAULT_OUTPUT,
) -> None:
    """End a subscription when its period ends, or at once. Fees paid in advance are not given back.

    Example: tollway subscription cancel --consumer pro_user_123
    """
    with opened_seller() as seller:
        timing = Timing.NOW if now else Timing.PERIOD_END
        subscription = seller.subscribing.cancel(consumer, timing)
        emit(_row(subscription, seller.clock.now()), output, columns=_COLUMNS)


@subscription_app.command("list")
def list_subscriptions(
    mode: Annotated[Mode | None, typer.Option(help="Only live or only test ones.")] = None,
    output: OutputOption = DEFAULT_OUTPUT,
) -> None:
    """Show every subscription, those that ended too.

    Example: tollway subscription list --mode live
    """
    with opened_seller() as seller:
        now = seller.clock.now()
        rows = [_row(subscription, now) for subscription in seller.subscribing.all(mode)]
        emit(rows, output, columns=_COLUMNS)


def _wanted(file: Path) -> Iterator[tuple[str, str]]:
    """Yield (consumer, plan) of each line; empty lines are skipped."""
    try:
        lines = file.read_bytes().splitlines()
    except OSError as error:
        raise InvalidInput(str(file), error.strerror or "not readable") from None
    for number, line in enumerate(lines, start=1):
        if not line.strip():
            continue
        try:
            row = json.loads(line)
        except ValueError:
            row = None
        match row:
            case {"consumer": str(consumer), "plan": str(plan), **rest} if not rest:
                yield consumer, plan
            case _:
                fix = 'write {"consumer": "acme", "plan": "pro"} and nothing else'
                raise InvalidInput(f"{file}:{number}", "not a consumer with its plan", fix)


def _row(subscription: Subscription, now: datetime) -> dict[str, Any]:
    phase = subscription.phase_at(now)
    following = subscription.phases[-1]
    waits = phase is not None and following is not phase
    return {
        "id": str(subscription.id),
        "consumer": subscription.consumer_name,
        "plan": None if phase is None else phase.plan.label,
        "status": "ended" if phase is None else "ending" if subscription.ends_at else "active",
        "mode": subscription.mode.value,
        "currency": subscription.currency,
        "starts_at": format_instant(subscription.starts_at),
        "ends_at": None if subscription.ends_at is None else format_instant(subscription.ends_at),
        "next_plan": following.plan.label if waits else None,
        "next_plan_at": format_instant(following.starts_at) if waits else None,
        "customer": str(subscription.customer),
        "phase": None if phase is None else str(phase.id),
        "add_ons": [
            {
                "name": item.addon.addon.name,
                "version": item.addon.label,
                "starts_at": format_instant(item.starts_at),
                "ends_at": None if item.ends_at is None else format_instant(item.ends_at),
            }
            for item in subscription.items_at(now)
        ],
    }
