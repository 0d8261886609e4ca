"""`tollway periods`: the next boundary of a billing period."""

from __future__ import annotations

from datetime import datetime, time
from zoneinfo import ZoneInfo

from tollway.billing.calculators.answer import Answer
from tollway.billing.calculators.moments import is_date, read_date, read_instant, write_instant
from tollway.billing.periods import Schedule, next_date
from tollway.catalog.fields import Fields
from tollway.catalog.models import Interval
from tollway.kernel.zones import time_zone

__all__ = ["calculate_boundary"]


def calculate_boundary(fields: Fields) -> Answer:
    """Answer `{"next"}`: a date where `after` is a date, else an instant.

    An `after` with an offset other than Z is answered with the offset that the time zone has by then.
    """
    fields.need("interval", f"write one of {', '.join(Interval)}")
    interval = fields.choice("interval", Interval, Interval.MONTH)
    zone = time_zone(fields.value("timezone") or "UTC")
    asked = fields.need("after", 'write "2026-01-31" or "2026-01-31T00:00:00Z"')
    if is_date(asked):
        anchor_day, after_day = read_date(fields, "anchor"), read_date(fields, "after")
        fields.faults.raise_any()
        assert anchor_day is not None
        assert after_day is not None
        return {"next": next_date(interval, anchor_day, after_day).isoformat()}
    anchor, after = _anchor(fields, zone), read_instant(fields, "after")
    fields.faults.raise_any()
    assert anchor is not None
    assert after is not None
    boundary = Schedule(interval, anchor, zone).next_after(after)
    in_utc = isinstance(asked, str) and asked.endswith(("Z", "z"))
    return {"next": write_instant(boundary) if in_utc else boundary.astimezone(zone).isoformat()}


def _anchor(fields: Fields, zone: ZoneInfo) -> datetime | None:
    """Read the anchor as a local time: a date is its midnight."""
    if is_date(fields.value("anchor")):
        day = read_date(fields, "anchor")
        return None if day is None else datetime.combine(day, time())
    instant = read_instant(fields, "anchor")
    return None if instant is None else instant.astimezone(zone).replace(tzinfo=None)
