"""Instants at the borders: RFC 3339 for people and wires, whole µs since 1970 for the log and SQL."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta

from tollway.kernel.errors import InvalidInput

__all__ = ["format_instant", "from_micros", "parse_instant", "to_micros"]

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)
_RFC3339 = re.compile(
    r"(\d{4}-\d{2}-\d{2})[Tt ](\d{2}:\d{2}:\d{2})(?:\.(\d{1,6})\d*)?([Zz]|[+-]\d{2}:\d{2})", re.ASCII
)


def to_micros(instant: datetime) -> int:
    """Return whole microseconds since 1970 UTC; exact, as no float is involved."""
    return (instant - _EPOCH) // _MICROSECOND


def from_micros(micros: int) -> datetime:
    """Return the instant that lies `micros` microseconds after 1970 began, in UTC."""
    return _EPOCH + timedelta(microseconds=micros)


def parse_instant(text: str, location: str) -> datetime:
    """Read an RFC 3339 instant, or a date, which means its midnight UTC; digits below a µs are cut off.

    >>> parse_instant("2026-11-01T00:30:00+01:00", "--from")
    datetime.datetime(2026, 10, 31, 23, 30, tzinfo=datetime.timezone.utc)

    Raises:
        InvalidInput: names `location`, what is wrong and how to write it.
    """
    full = f"{text}T00:00:00Z" if re.fullmatch(r"\d{4}-\d{2}-\d{2}", text, re.ASCII) else text
    match = _RFC3339.fullmatch(full)
    if match is None:
        raise InvalidInput(
            location,
            f"{text!r} is not an instant",
            "write RFC 3339 with a zone, e.g. 2026-11-01T00:00:00Z, or a date",
        )
    day, clock, fraction, zone = match.groups()
    try:
        parsed = datetime.fromisoformat(f"{day}T{clock}.{(fraction or '0').ljust(6, '0')}{zone.upper()}")
        return parsed.astimezone(UTC)
    except (ValueError, OverflowError) as error:
        raise InvalidInput(location, f"{text!r} is not an instant: {error}") from None


def format_instant(instant: datetime) -> str:
    """Return RFC 3339 in UTC, with a fraction only where there is one: `2026-11-01T00:00:00Z`.

    >>> format_instant(datetime(2026, 11, 1, 0, 0, 0, 250000, tzinfo=UTC))
    '2026-11-01T00:00:00.250000Z'
    """
    return instant.astimezone(UTC).isoformat().replace("+00:00", "Z")
