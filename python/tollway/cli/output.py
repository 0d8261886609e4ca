"""Every command answers in one of two forms: `table` for people, `json` for machines."""

from __future__ import annotations

import json
import sys
from collections.abc import Mapping, Sequence
from enum import StrEnum
from typing import Annotated, Any

import typer

__all__ = ["DEFAULT_OUTPUT", "Output", "OutputOption", "emit", "emit_lines"]


class Output(StrEnum):
    """The form of a command's answer."""

    TABLE = "table"
    JSON = "json"


OutputOption = Annotated[
    Output, typer.Option("--output", "-o", help="'table' for people, 'json' for machines.")
]

DEFAULT_OUTPUT = Output.TABLE if sys.stdout.isatty() else Output.JSON
"""A table on a terminal, JSON in a pipe: scripts need not ask."""


def emit(
    value: Any, output: Output, *, columns: Sequence[str] | None = None, title: str | None = None
) -> None:
    """Print `value`: a mapping, or a sequence of mappings, whose values are JSON types.

    `columns` chooses and orders what the table shows; JSON always has everything.
    """
    if output is Output.JSON:
        sys.stdout.write(json.dumps(value, ensure_ascii=False) + "\n")
        return
    # Importing rich takes longer than most commands; machines never need it.
    from rich.console import Console
    from rich.table import Table

    rows: Sequence[Mapping[str, Any]] = [value] if isinstance(value, Mapping) else value
    names = list(columns or (rows[0].keys() if rows else ()))
    table = Table(title=title, title_justify="left", header_style="bold")
    for name in names:
        numeric = bool(rows) and all(_is_number(row.get(name)) for row in rows)
        table.add_column(name.replace("_", " "), justify="right" if numeric else "left", overflow="fold")
    for row in rows:
        table.add_row(*("" if row.get(name) is None else str(row[name]) for name in names))
    # What is shown was written by others: `[red]` in a name is text, not a colour.
    Console(markup=False, emoji=False).print(table if rows else "nothing to show")


def emit_lines(values: Any) -> None:
    """Print JSON lines: one value a line, as they come."""
    for value in values:
        sys.stdout.write(json.dumps(value, ensure_ascii=False) + "\n")


def _is_number(value: Any) -> bool:
    if isinstance(value, int):
        return True
    return isinstance(value, str) and value.replace(",", "").replace(".", "").lstrip("-").isdigit()
