"""Time zones by their IANA names."""

from __future__ import annotations

from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from tollway.kernel.errors import InvalidInput

__all__ = ["time_zone"]


def time_zone(name: object, location: str = "timezone") -> ZoneInfo:
    """Return the time zone of that IANA name, e.g. `time_zone("Europe/Berlin")`.

    Raises:
        InvalidInput: there is none; `location` names where it was written.
    """
    if isinstance(name, str) and name:
        try:
            return ZoneInfo(name)
        except (ZoneInfoNotFoundError, ValueError, OSError):
            pass
    raise InvalidInput(
        location, f"{repr(name)[:60]} is no time zone", 'write an IANA name, e.g. "Europe/Berlin"'
    )
