"""Dates and instants in questions, and back in the form in which they came."""

from __future__ import annotations

import re
from datetime import UTC, date, datetime

from tollway.catalog.document import Path
from tollway.catalog.fields import Faults, Fields

__all__ = ["is_date", "read_date", "read_instant", "read_moment", "write_instant"]

_EARLIEST_YEAR = 1900
_DATE = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}")
_INSTANT = re.compile(
    r"[0-9]{4}-[0-9]{2}-[0-9]{2}[Tt ][0-9]{2}:[0-9]{2}(:[0-9]{2}(\.[0-9]{1,9})?)?([Zz]|[+-][0-9]{2}:[0-9]{2})"
)


def is_date(value: object) -> bool:
    """Tell whether a value looks like a date rather than an instant."""
    return isinstance(value, str) and _DATE.fullmatch(value) is not None


def read_date(fields: Fields, name: str) -> date | None:
    """Read a date; anything else is a fault, and None."""
    value = fields.need(name, 'write a date: "2026-01-31"')
    if isinstance(value, str) and is_date(value):
        try:
            return date.fromisoformat(value)
        except ValueError:
            pass
    if value is not None:
        fields.fault(name, "no date", 'write "2026-01-31", say')
    return None


def read_instant(fields: Fields, name: str) -> datetime | None:
    """Read an instant with its offset (RFC 3339); anything else is a fault, and None."""
    value = fields.need(name, 'write an instant: "2026-01-31T00:00:00Z"')
    instant = _instant(value)
    if value is not None and instant is None:
        fields.fault(name, "no instant", 'write "2026-01-31T00:00:00Z", say, with Z or an offset')
    return instant


def read_moment(value: object, path: Path, faults: Faults) -> datetime | None:
    """Read an instant or a date, which is its midnight UTC; anything else is a fault, and None."""
    moment = _instant(f"{value}T00:00:00Z" if is_date(value) else value)
    if moment is not None and moment.year >= _EARLIEST_YEAR:
        return moment
    problem = "no instant" if moment is None else f"before the year {_EARLIEST_YEAR}"
    faults.add(path, problem, 'write "2026-01-31T00:00:00Z", say, with Z or an offset, or a date')
    return None


def _instant(value: object) -> datetime | None:
    if not isinstance(value, str) or not _INSTANT.fullmatch(value):
        return None
    try:
        return datetime.fromisoformat(value.upper()).astimezone(UTC)
    except (ValueError, OverflowError):
        return None


def write_instant(instant: datetime) -> str:
    """Write an instant in UTC, with a Z."""
    return instant.astimezone(UTC).isoformat().replace("+00:00", "Z")
