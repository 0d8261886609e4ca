"""The worker's intake from RabbitMQ alone, by the worker's settings: a process that a test kills."""

from __future__ import annotations

import threading

from tollway.app.bus import bus_intake
from tollway.app.settings import load_settings
from tollway.app.usage import open_usage
from tollway.kernel.clock import SystemClock

if __name__ == "__main__":
    settings = load_settings()
    assert settings.bus_url is not None
    with open_usage(settings) as usage:
        bus_intake(settings.bus_url, usage, SystemClock()).take_forever(threading.Event())
