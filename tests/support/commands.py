"""Commands as processes of their own that start quickly: forked from one that has imported everything."""

from __future__ import annotations

import multiprocessing
import os
import sys
from collections.abc import Mapping, Sequence
from multiprocessing.process import BaseProcess

# What most commands import when they run; here it is imported once.
import tollway.app.payment_report
import tollway.cli.main
import tollway.storage.migrate

__all__ = ["start_command"]


def start_command(arguments: Sequence[str], environment: Mapping[str, str]) -> BaseProcess:
    """Start `tollway ARGUMENTS` with this environment; what it prints goes nowhere."""
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload([__name__])
    process = context.Process(target=_run, args=(list(arguments), dict(environment)), daemon=True)
    process.start()
    return process


def _run(arguments: list[str], environment: dict[str, str]) -> None:
    os.environ.clear()
    os.environ.update(environment)
    with open(os.devnull, "w") as nowhere:  # noqa: PTH123
        sys.stdout = sys.stderr = nowhere
        sys.argv = ["tollway", *arguments]
        tollway.cli.main.main()
