"""Billing periods: half-open, and tiling time without gap or overlap.

Every boundary is computed from the anchor, never from the boundary before it: an anchor on the 31st falls on
the 30th or the 28th where a month is shorter, and on the 31st again after. The zone decides only where
boundaries fall; lengths and shares are elapsed UTC time.
"""

from __future__ import annotations

from calendar import monthrange
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from fractions import Fraction
from typing import Self
from zoneinfo import ZoneInfo

from tollway.catalog.models import Interval
from tollway.kernel.errors import InvalidInput

__all__ = ["Period", "Schedule", "add_interval", "next_date", "resolve"]

_MONTHS = {Interval.MONTH: 1, Interval.QUARTER: 3, Interval.YEAR: 12}
_DAYS = {Interval.DAY: 1, Interval.WEEK: 7}
_MICROSECOND = timedelta(microseconds=1)


@dataclass(frozen=True, slots=True)
class Period:
    """From `start`, included, to `end`, excluded; both aware, in UTC."""

    start: datetime
    end: datetime

    def __contains__(self, instant: datetime) -> bool:
        return self.start <= instant < self.end

    def share_after(self, instant: datetime) -> Fraction:
        """Return the exact part of the period that lies after `instant`, from 1 at its start to 0 at its end.

        An instant outside the period counts as the end of it that is nearer.
        """
        left = self.end - min(max(instant, self.start), self.end)
        return Fraction(left // _MICROSECOND, (self.end - self.start) // _MICROSECOND)


@dataclass(frozen=True, slots=True)
class Schedule:
    """The boundaries of a subscription's periods: an interval counted from an anchor, in a zone.

    `anchor` is a local time in `zone`, without an offset; its `fold` says which of two that clocks show
    alike it is, so that the first period begins when the subscription does.
    """

    interval: Interval
    anchor: datetime
    zone: ZoneInfo

    @classmethod
    def anniversary(cls, interval: Interval, start: datetime, zone: ZoneInfo) -> Self:
        """Count from the instant at which the subscription began."""
        return cls(interval, start.astimezone(zone).replace(tzinfo=None), zone)

    @classmethod
    def calendar(cls, interval: Interval, zone: ZoneInfo) -> Self:
        """Count from the calendar's edges: midnight, Monday, the first of the month, quarter or year."""
        # 1 January 2001 was a Monday, so this one day is an edge of every interval.
        return cls(interval, datetime(2001, 1, 1), zone)  # noqa: DTZ001

    def boundary(self, index: int) -> datetime:
        """Return the boundary that lies `index` intervals after the anchor (before it, if negative)."""
        if index == 0 and self.anchor.fold:
            return self.anchor.replace(tzinfo=self.zone).astimezone(UTC)
        moved = add_interval(self.anchor.date(), self.interval, index)
        return resolve(datetime.combine(moved, self.anchor.time()), self.zone)

    def next_after(self, instant: datetime) -> datetime:
        """Return the first boundary after `instant`, in UTC."""
        return self.boundary(self._first_after(instant))

    def period_at(self, instant: datetime) -> Period:
        """Return the period that `instant` lies in."""
        index = self._first_after(instant)
        end, start = self.boundary(index), self.boundary(index - 1)
        # Where a zone skipped a whole day, two boundaries fall on one instant: that period is empty.
        while start == end:
            index -= 1
            start = self.boundary(index - 1)
        return Period(start, end)

    def _first_after(self, instant: datetime) -> int:
        local = instant.astimezone(self.zone).date()
        index = _intervals_between(self.anchor.date(), local, self.interval) - 1
        while self.boundary(index) <= instant:
            index += 1
        return index


def next_date(interval: Interval, anchor: date, after: date) -> date:
    """Return the first boundary after `after`, counting whole days from `anchor`."""
    index = _intervals_between(anchor, after, interval) - 1
    while (boundary := add_interval(anchor, interval, index)) <= after:
        index += 1
    return boundary


def add_interval(anchor: date, interval: Interval, count: int) -> date:
    """Return the day `count` intervals after `anchor`; a day that the month lacks is its last one.

    Raises:
        InvalidInput: that day is outside the years 1 to 9999.
    """
    try:
        if interval in _DAYS:
            return anchor + timedelta(days=_DAYS[interval] * count)
        years, month = divmod(anchor.month - 1 + _MONTHS[interval] * count, 12)
        year = anchor.year + years
        return date(year, month + 1, min(anchor.day, monthrange(year, month + 1)[1]))
    except (OverflowError, ValueError):
        raise InvalidInput(
            "after", "the next boundary lies outside the years 1 to 9999", "give a date within them"
        ) from None


def resolve(local: datetime, zone: ZoneInfo) -> datetime:
    """Return the instant, in UTC, at which clocks in `zone` show `local`.

    A time that is shown twice is the first of the two; one that is skipped is the first instant after the
    gap.
    """
    try:
        instant = local.replace(tzinfo=zone, fold=0).astimezone(UTC)
        if instant.astimezone(zone).replace(tzinfo=None) == local:
            return instant
        return _end_of_gap(local, zone)
    except OverflowError:
        raise InvalidInput(
            "after", "the next boundary lies outside the years 1 to 9999", "give a date within them"
        ) from None


def _intervals_between(anchor: date, day: date, interval: Interval) -> int:
    """Return the number of whole intervals from `anchor` to `day`, to within one."""
    if interval in _DAYS:
        return (day - anchor).days // _DAYS[interval]
    return ((day.year - anchor.year) * 12 + day.month - anchor.month) // _MONTHS[interval]


def _end_of_gap(local: datetime, zone: ZoneInfo) -> datetime:
    """Return the instant at which clocks went forward over `local`."""
    # `fold` chooses the offset before (0) or after (1) the gap; the gap's end lies between the two readings.
    before = local.replace(tzinfo=zone, fold=1).astimezone(UTC)
    after = local.replace(tzinfo=zone, fold=0).astimezone(UTC)
    new_offset = after.astimezone(zone).utcoffset()
    while after - before > timedelta(seconds=1):
        middle = before + (after - before) // 2
        if middle.astimezone(zone).utcoffset() == new_offset:
            after = middle
        else:
            before = middle
    # Clocks change on whole seconds.
    return after.replace(microsecond=0)
