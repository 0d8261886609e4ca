"""How figures and moments are written on pages: amounts with their currency, times in UTC and said so."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import datetime
from decimal import Decimal
from types import MappingProxyType
from typing import Any

from markupsafe import Markup

__all__ = ["FILTERS", "count", "day", "initials", "moment", "moment_text"]


def count(value: Decimal | int) -> str:
    """Return a count with separators: `41,280`."""
    return f"{value:,}"


def day(instant: datetime, *, year: bool = True) -> Markup:
    """Return a date as people write it: `20 Nov 2026`."""
    text = f"{instant.day} {instant:%b %Y}" if year else f"{instant.day} {instant:%b}"
    return Markup('<time datetime="{}">{}</time>').format(instant.date().isoformat(), text)


def moment(instant: datetime) -> Markup:
    """Return a date and a time: `20 Nov 2026, 18:39 UTC`."""
    iso = instant.isoformat(timespec="seconds")
    return Markup('<time datetime="{}">{}</time>').format(iso, moment_text(instant))


def moment_text(instant: datetime) -> str:
    """Return the same without markup, for mails."""
    return f"{instant.day} {instant:%b %Y, %H:%M} UTC"


def initials(name: str) -> str:
    """Return up to two letters for the picture of a person or an organisation."""
    words = [word for word in name.split() if word[0].isalnum()]
    return "".join(word[0] for word in words[:2]).upper() or "–"


FILTERS: Mapping[str, Callable[..., Any]] = MappingProxyType(
    {"count": count, "day": day, "moment": moment, "initials": initials}
)
"""What templates call them by."""
