"""Dates and instants in questions, and back in the form in which they came."""

from __future__ import annotations

import re
from datetime import UTC, date, datetime

from tollway.catalog.fields import Fields

__all__ = ["is_date", "read_date", "read_instant", "write_instant"]

_DATE = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}")
_INSTANT = re.compile(
    r"[0-9]{4}-[0-9]{2}-[0-9]{2}[Tt ][0-9]{2}:[0-9]{2}(:[0-9]{2}(\.[0-9]{1,6})?)?([Zz]|[+-][0-9]{2}:[0-9]{2})"
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
    if isinstance(value, str) and _INSTANT.fullmatch(value):
        try:
            return datetime.fromisoformat(value.upper()).astimezone(UTC)
        except (ValueError, OverflowError):
            pass
    if value is not None:
        fields.fault(name, "no instant", 'write "2026-01-31T00:00:00Z", say, with Z or an offset')
    return None


def write_instant(instant: datetime) -> str:
    """Write an instant in UTC, with a Z."""
    return instant.astimezone(UTC).isoformat().replace("+00:00", "Z")
