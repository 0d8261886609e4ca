"""`tollway node`: the gateway nodes that invoices wait for."""

from __future__ import annotations

import getpass
import os
from collections import Counter
from typing import Annotated, Any

import typer

from tollway.cli.main import app
from tollway.cli.opening import opened_usage
from tollway.cli.output import DEFAULT_OUTPUT, OutputOption, emit
from tollway.kernel.instants import format_instant
from tollway.metering.models import NodeState

__all__: list[str] = []

node_app = typer.Typer(
    help="Gateway nodes: how far the usage of each is metered.", no_args_is_help=True, rich_markup_mode=None
)
app.add_typer(node_app, name="node")


@node_app.command("list")
def list_nodes(output: OutputOption = DEFAULT_OUTPUT) -> None:
    """Show every node: until when its usage is complete, and what of its log could not be read.

    Example: tollway node list
    """
    with opened_usage() as usage:
        usage.worker.catch_up()
        faults = Counter((fault.shard.node, fault.kind) for fault in usage.nodes.faults())
        reasons = {act.node: act.reason for act in usage.nodes.acts() if act.act == "retire"}
        emit([_row(node, faults, reasons) for node in usage.nodes.all()], output)


@node_app.command()
def retire(
    node: Annotated[str, typer.Argument(help="The node, or its first digits if they are unique.")],
    reason: Annotated[str, typer.Option(help="Why it will not come back; kept for good.")],
    output: OutputOption = DEFAULT_OUTPUT,
) -> None:
    """Stop waiting for a node that is gone for good. What of its usage was not metered is not billed.

    Example: tollway node retire 3f9a --reason "disk lost on 2026-11-03, ticket 41"
    """
    with opened_usage() as usage:
        retired = usage.nodes.retire(node, actor=_actor(), reason=reason)
        emit(_row(retired, Counter(), {retired.node: reason}), output)


def _row(node: NodeState, faults: Counter[tuple[str, Any]], reasons: dict[str, str]) -> dict[str, Any]:
    return {
        "node": node.node,
        "complete_until": None if node.watermark is None else format_instant(node.watermark),
        "registered": format_instant(node.registered_at),
        "retired": None if node.retired_at is None else format_instant(node.retired_at),
        "reason": None if node.retired_at is None else reasons.get(node.node),
        "faults": ", ".join(
            f"{count} {kind}" for (name, kind), count in sorted(faults.items()) if name == node.node
        )
        or None,
    }


def _actor() -> str:
    """Return who runs this command; a container's user may have no name."""
    try:
        return getpass.getuser()
    except (KeyError, OSError):
        return f"uid {os.getuid()}"
