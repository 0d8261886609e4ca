"""`tollway reload`."""

from __future__ import annotations

import os
import signal
import time
from typing import Annotated

import typer

from tollway.cli.main import app
from tollway.kernel.errors import TollwayError

__all__: list[str] = []

_LOOK_SECONDS = 0.1


@app.command()
def reload(
    *,
    timeout: Annotated[float, typer.Option(help="Seconds to wait for the outcome.")] = 300,
) -> None:
    """Put what is installed and set now in the place of what runs, with no request lost.

    After installing another version this upgrades to it. Waits for the outcome: what can't be replaced goes
    on as it is, and the command fails saying why. (SIGHUP to the supervisor does the same.)

    Example: pip install --upgrade tollway && tollway reload
    """
    from tollway.app.data_dir import is_claimed, read_run_file
    from tollway.app.settings import load_settings

    settings = load_settings()

    def reloads() -> tuple[int, str | None]:
        facts = (read_run_file(settings) or {}).get("reloads", {})
        return facts.get("count", 0), facts.get("problem")

    run = read_run_file(settings)
    if run is None or not is_claimed(settings):
        raise TollwayError(
            f"no Tollway runs on {settings.data_dir}; start one with tollway serve, or name its folder with "
            "--data-dir or TOLLWAY_DATA_DIR"
        )
    if "supervisor" not in run["processes"]:
        raise TollwayError(
            f"the gateway on {settings.data_dir} runs alone (--role gateway), and nobody can start its "
            "successor; restart it"
        )
    before, _ = reloads()
    os.kill(run["processes"]["supervisor"], signal.SIGHUP)
    give_up = time.monotonic() + timeout
    while (outcome := reloads())[0] == before:
        if time.monotonic() >= give_up:
            raise TollwayError(f"not reloaded within {timeout:g} s; the supervisor's log says how far it is")
        time.sleep(_LOOK_SECONDS)
    if outcome[1] is not None:
        raise TollwayError(f"not reloaded: {outcome[1]}")
