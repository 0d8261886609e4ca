"""The `tollway` command. Each module here registers its commands on `app`."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import Annotated

import typer

from tollway.kernel.errors import TollwayError

__all__ = ["app", "main"]

app = typer.Typer(
    name="tollway",
    help="Sell an HTTP API: gateway, metering, billing and portal in one package.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
)


@app.callback()
def _root(
    data_dir: Annotated[
        Path | None,
        typer.Option(help="Where everything is kept; default: TOLLWAY_DATA_DIR, else tollway-data."),
    ] = None,
) -> None:
    """Options of every command."""
    if data_dir is not None:
        os.environ["TOLLWAY_DATA_DIR"] = str(data_dir)


def main() -> None:
    """Run the command line; a fault is one clear line on stderr and a non-zero exit."""
    try:
        app()
    except (TollwayError, OSError) as error:  # TimeoutError is one of the latter
        _give_up(str(error))
    except Exception as error:
        # Importing SQLAlchemy takes longer than most commands; what raised its error has imported it.
        database = sys.modules.get("sqlalchemy.exc")
        if database is None or not isinstance(error, database.OperationalError):
            raise
        _give_up(f"database: {getattr(error, 'orig', error)}; is another command or disk in the way?")


def _give_up(text: str) -> None:
    sys.stderr.write(f"tollway: {text}\n")
    sys.exit(1)


# Each module registers its commands on `app`, which must exist by then.
from tollway.cli import (  # noqa: E402
    billing,  # noqa: F401
    calculators,  # noqa: F401
    catalog,  # noqa: F401
    intake,  # noqa: F401
    invoice,  # noqa: F401
    node,  # noqa: F401
    parties,  # noqa: F401
    payment,  # noqa: F401
    portal,  # noqa: F401
    reload,  # noqa: F401
    serve,  # noqa: F401
    simulate,  # noqa: F401
    subscription,  # noqa: F401
    usage,  # noqa: F401
)
