"""Time is injected: code that needs the current instant takes a `Clock`."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Protocol

__all__ = ["Clock", "ManualClock", "SystemClock"]


class Clock(Protocol):
    """Where the current instant comes from."""

    def now(self) -> datetime:
        """Return the current instant, in UTC and aware."""


class SystemClock:
    """The machine's own clock."""

    def now(self) -> datetime:
        """Return the current instant, in UTC and aware."""
        return datetime.now(UTC)


class ManualClock:
    """A clock that moves only when told: for tests and for test mode."""

    def __init__(self, start: datetime) -> None:
        if start.tzinfo is None:
            raise ValueError("start: an aware datetime is needed, e.g. datetime(2026, 1, 1, tzinfo=UTC)")
        self._now = start.astimezone(UTC)

    def now(self) -> datetime:
        """Return the instant last set."""
        return self._now

    def advance(self, step: timedelta) -> None:
        """Move forward by `step`, which may not be negative."""
        if step < timedelta(0):
            raise ValueError("step: a clock does not go back; pass a positive timedelta")
        self._now += step
