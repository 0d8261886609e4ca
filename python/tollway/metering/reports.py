"""Reading what others report: the queue's plain message, and the fields that CloudEvents share with it."""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import datetime, timedelta
from fractions import Fraction
from typing import Any, NoReturn

from tollway.kernel.errors import InvalidInput
from tollway.kernel.exact import parse_decimal
from tollway.kernel.instants import from_micros, parse_instant
from tollway.metering.external import UsageReport

__all__ = [
    "LONGEST_BODY",
    "MOST_UNITS",
    "fields_of",
    "read_json",
    "read_message",
    "text_field",
    "time_field",
    "units_field",
]

LONGEST_BODY = 65_536
"""Bytes of a message; what the four fields need is far less."""

MOST_UNITS = 10**12
"""Of one report. It bounds what a slip of the pen can cost, and what a record must be able to add up."""

_LONGEST_TEXT = 255
_AHEAD = timedelta(days=1)
"""How far a reporter's clock may be ahead."""


def read_message(body: bytes, *, source: object, message_id: object, now: datetime) -> UsageReport:
    """Read `{"consumer_id","api_endpoint","timestamp","usage_units"}`; other fields are passed over.

    Raises:
        InvalidInput: names the field, what is wrong with it and the fix.
    """
    fields = read_json(body)
    if not isinstance(fields, dict):
        raise InvalidInput(
            "body", "no JSON object", "write consumer_id, api_endpoint, timestamp, usage_units"
        )
    for name in ("consumer_id", "api_endpoint", "timestamp", "usage_units"):
        if name not in fields:
            raise InvalidInput(name, "missing", f'add "{name}"')
    consumer = fields["consumer_id"]
    # A program that numbers its consumers writes the number.
    subject = str(consumer) if isinstance(consumer, int) and not isinstance(consumer, bool) else consumer
    time, whole_second = time_field(fields["timestamp"], "timestamp", now)
    return UsageReport(
        subject=text_field(subject, "consumer_id"),
        endpoint=text_field(fields["api_endpoint"], "api_endpoint"),
        time=time,
        whole_second=whole_second,
        units=units_field(fields["usage_units"], "usage_units"),
        source=text_field(source, "source"),
        id=None if message_id is None else text_field(message_id, "message_id"),
    )


def read_json(body: bytes, *, longest: int = LONGEST_BODY) -> Any:
    """Read JSON; a number with a point or an exponent comes back as the text it was written as.

    Raises:
        InvalidInput: it is none, or too long.
    """
    if len(body) > longest:
        raise InvalidInput("body", f"longer than {longest} bytes", "report less at a time")
    try:
        return json.loads(body, parse_float=str, parse_constant=_no_number)
    except (ValueError, RecursionError):  # bad UTF-8 is a ValueError too
        raise InvalidInput("body", "no JSON in UTF-8", "write one JSON document") from None


def text_field(value: object, location: str) -> str:
    """Read a text of 1 to 255 characters without control characters."""
    if not isinstance(value, str) or not value or len(value) > _LONGEST_TEXT:
        raise InvalidInput(location, "no text of 1 to 255 characters", "shorten it, or write it in quotes")
    # A lone surrogate can be written in JSON, but not in UTF-8.
    if any(ord(sign) < 32 or 0xD800 <= ord(sign) < 0xE000 for sign in value):
        raise InvalidInput(location, "control characters or half of a character in it", "remove them")
    return value


def units_field(value: object, location: str) -> int:
    """Read a whole number above zero, also as text or with zeros behind its point."""
    units = Fraction(parse_decimal(value, location))
    if units.denominator != 1:
        raise InvalidInput(
            location, f"{value} is not whole", "report in a smaller unit, e.g. 500 for 0.5 thousand"
        )
    if not 0 < units <= MOST_UNITS:
        raise InvalidInput(
            location, f"{value} is not in 1 to {MOST_UNITS}", "report what was used, above zero"
        )
    return units.numerator


def time_field(value: object, location: str, now: datetime) -> tuple[datetime, bool]:
    """Read epoch seconds or RFC 3339; digits below a µs are cut off. The second value: no part of a second.

    Raises:
        InvalidInput: it is neither, before 1970 or more than a day ahead of `now`.
    """
    if isinstance(value, str) and ("T" in value or "t" in value or value.count("-") == 2):
        time, whole = parse_instant(value, location), "." not in value
    else:
        seconds = Fraction(parse_decimal(value, location))
        if seconds >= Fraction(10) ** 11:
            raise InvalidInput(
                location, f"{value} is far ahead", "write seconds since 1970, not milliseconds"
            )
        time, whole = from_micros(int(seconds * 1_000_000)), isinstance(value, int)
    if time < from_micros(0) or time > now + _AHEAD:
        raise InvalidInput(location, f"{value} is before 1970 or ahead of now", "report what has been used")
    return time, whole


def _no_number(name: str) -> NoReturn:
    raise ValueError(name)


def fields_of(value: object, location: str) -> Mapping[str, Any]:
    """Return a JSON object's fields."""
    if not isinstance(value, dict):
        raise InvalidInput(location, "no JSON object", "write { … }")
    return value
