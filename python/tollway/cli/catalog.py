"""`tollway catalog`: what is sold."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from tollway.cli.main import app
from tollway.cli.opening import opened_seller
from tollway.cli.output import DEFAULT_OUTPUT, OutputOption, emit
from tollway.kernel.errors import InvalidInput

__all__: list[str] = []

catalog_app = typer.Typer(
    help="Meters, plans, prices and add-ons.", no_args_is_help=True, rich_markup_mode=None
)
app.add_typer(catalog_app, name="catalog")


@catalog_app.command("apply")
def apply_file(
    file: Annotated[Path, typer.Argument(help="The catalog file, YAML.")],
    output: OutputOption = DEFAULT_OUTPUT,
) -> None:
    """Store a catalog file. What is new or changed becomes a version; nothing is deleted.

    Each plan gets a consumer group of its name, with its rate limit. Prices of a subscription stay as they
    were when it began.

    Example: tollway catalog apply catalog.yaml
    """
    from tollway.app.plans import apply_catalog_file

    try:
        raw = file.read_bytes()
    except OSError as error:
        raise InvalidInput(str(file), error.strerror or "not readable") from None
    with opened_seller() as seller:
        applied = apply_catalog_file(seller.gateways, seller.clock, raw, str(file))
    emit(
        [
            {"kind": one.kind.value, "name": one.name, "action": one.action.value, "version": one.version}
            for one in applied
        ],
        output,
    )
