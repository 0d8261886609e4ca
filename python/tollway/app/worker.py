"""The worker's process: what goes on by itself, without anybody asking."""

from __future__ import annotations

import threading

from tollway.app.settings import Settings
from tollway.app.usage import open_usage

__all__ = ["run_worker"]


def run_worker(settings: Settings, stop: threading.Event) -> None:
    """Meter the usage log until `stop` is set, then once more what had been served by then."""
    with open_usage(settings) as usage:
        usage.worker.run_forever(stop)
        usage.worker.catch_up()
