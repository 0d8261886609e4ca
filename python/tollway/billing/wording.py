"""How invoices speak of time."""

from __future__ import annotations

from datetime import datetime, time, timedelta
from zoneinfo import ZoneInfo

__all__ = ["day", "span"]


def day(instant: datetime, zone: ZoneInfo) -> str:
    """Return the day that an instant lies on: `1 Dec 2026`."""
    local = instant.astimezone(zone)
    return f"{local.day} {local:%b %Y}"


def span(start: datetime, end: datetime, zone: ZoneInfo) -> str:
    """Return the half-open range as people say it, its zone named where there are hours in it.

    Whole days are named from the first to the last: `1 Dec 2026 to 31 Dec 2026`. Nobody reads seconds, so a
    range that begins within the first minute of a day begins with that day.
    """
    local_start, local_end = start.astimezone(zone), end.astimezone(zone)
    if _to_the_minute(local_start) == time.min == _to_the_minute(local_end):
        last = local_end - timedelta(days=1)
        return day(start, zone) if last <= local_start else f"{day(start, zone)} to {day(last, zone)}"
    return f"{_minute(local_start)} to {_minute(local_end)} ({zone.key})"


def _minute(local: datetime) -> str:
    return f"{local.day} {local:%b %Y, %H:%M}"


def _to_the_minute(local: datetime) -> time:
    return local.time().replace(second=0, microsecond=0)
