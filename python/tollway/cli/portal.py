"""`tollway portal`: what the developer portal says."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from tollway.cli.main import app
from tollway.cli.output import DEFAULT_OUTPUT, OutputOption, emit

__all__: list[str] = []

portal_app = typer.Typer(help="The developer portal's content.", no_args_is_help=True, rich_markup_mode=None)
app.add_typer(portal_app, name="portal")


@portal_app.callback()
def _root() -> None:
    """The developer portal's content."""


@portal_app.command("check")
def check(
    folder: Annotated[Path, typer.Argument(help="The content folder, as TOLLWAY_PORTAL_DIR names it.")],
    output: OutputOption = DEFAULT_OUTPUT,
) -> None:
    """Read a content folder as the portal does, and say what is wrong: file, line or field, and the fix.

    Exits 1 where anything is.

    Example: tollway portal check demo/portal
    """
    from tollway.web.portal.content.folder import read_content

    content = read_content(folder)
    rows = [
        {"where": fault.location, "problem": fault.problem, "fix": fault.fix or None}
        for fault in content.faults
    ]
    emit(rows, output)
    if rows:
        raise typer.Exit(1)
