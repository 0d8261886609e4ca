"""Periods tile time, whatever the anchor, the interval and the zone's clocks do."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from fractions import Fraction
from itertools import pairwise
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tollway.billing.periods import Period, Schedule, resolve
from tollway.billing.proration import prorate, prorate_quantity
from tollway.catalog.models import Interval
from tollway.kernel.currency import currency
from tollway.kernel.zones import time_zone

USD = currency("USD")
US = timedelta(microseconds=1)
# Clocks that jump at midnight, by half an hour, over a whole day, and far from Greenwich on both sides.
ZONES = [
    "UTC", "Europe/Berlin", "America/New_York", "America/Sao_Paulo", "Australia/Lord_Howe", "Pacific/Apia",
    "Pacific/Kiritimati", "Asia/Tehran", "Africa/Cairo", "America/St_Johns",
]  # fmt: skip
LOCAL = st.datetimes(datetime(1990, 1, 1), datetime(2040, 12, 31))  # noqa: DTZ001 - local times
SCHEDULES = st.builds(Schedule, st.sampled_from(Interval), LOCAL, st.sampled_from(ZONES).map(ZoneInfo))
INSTANTS = st.datetimes(datetime(1990, 1, 1), datetime(2040, 12, 31), timezones=st.just(UTC))  # noqa: DTZ001


@given(SCHEDULES, INSTANTS)
def test_every_instant_lies_in_exactly_one_period(schedule: Schedule, instant: datetime) -> None:
    period = schedule.period_at(instant)
    assert period.start <= instant < period.end
    assert instant in period
    assert schedule.next_after(instant) == period.end
    assert schedule.period_at(period.end).start == period.end
    assert schedule.period_at(period.start) == period
    assert schedule.period_at(period.end - timedelta(microseconds=1)) == period


@given(SCHEDULES, st.integers(-40, 40))
def test_boundaries_never_go_back(schedule: Schedule, first: int) -> None:
    boundaries = [schedule.boundary(first + index) for index in range(6)]
    assert all(before <= after for before, after in pairwise(boundaries))
    longest = {"day": 2, "week": 8, "month": 32, "quarter": 93, "year": 367}[schedule.interval]
    assert all(after - before <= timedelta(days=longest) for before, after in pairwise(boundaries))


@given(LOCAL, st.sampled_from(ZONES).map(ZoneInfo))
def test_a_local_time_is_its_first_instant_or_the_end_of_the_gap(local: datetime, zone: ZoneInfo) -> None:
    instant = resolve(local, zone)
    shown = instant.astimezone(zone).replace(tzinfo=None)
    assert shown >= local
    # Just before it, clocks showed less, or an hour that came twice had not yet come the first time.
    earlier = (instant - timedelta(microseconds=1)).astimezone(zone).replace(tzinfo=None)
    assert earlier < local


def test_a_day_that_clocks_skipped_makes_no_empty_period() -> None:
    # Samoa had no 30 December 2011.
    schedule = Schedule(Interval.DAY, datetime(2011, 12, 1), ZoneInfo("Pacific/Apia"))  # noqa: DTZ001
    period = schedule.period_at(datetime(2011, 12, 30, 12, tzinfo=UTC))
    assert period == Period(datetime(2011, 12, 30, 10, tzinfo=UTC), datetime(2011, 12, 31, 10, tzinfo=UTC))
    assert schedule.period_at(period.start - timedelta(seconds=1)).end == period.start


def test_an_anchor_on_the_31st_comes_back_to_it() -> None:
    start = datetime(2026, 1, 31, 9, 30, tzinfo=UTC)
    schedule = Schedule.anniversary(Interval.MONTH, start, ZoneInfo("UTC"))
    assert [schedule.boundary(index).day for index in range(6)] == [31, 28, 31, 30, 31, 30]
    assert schedule.boundary(0) == start


@pytest.mark.parametrize(
    ("interval", "start"),
    [
        (Interval.DAY, "2026-08-19T00:00:00+02:00"),
        (Interval.WEEK, "2026-08-17T00:00:00+02:00"),
        (Interval.MONTH, "2026-08-01T00:00:00+02:00"),
        (Interval.QUARTER, "2026-07-01T00:00:00+02:00"),
        (Interval.YEAR, "2026-01-01T00:00:00+01:00"),
    ],
)
def test_calendar_periods_begin_at_local_edges(interval: Interval, start: str) -> None:
    schedule = Schedule.calendar(interval, time_zone("Europe/Berlin"))
    instant = datetime(2026, 8, 19, 12, tzinfo=UTC)
    assert schedule.period_at(instant).start == datetime.fromisoformat(start)


@given(SCHEDULES, INSTANTS, INSTANTS, st.integers(0, 10**9))
def test_shares_lie_between_nothing_and_all_and_complement(
    schedule: Schedule, inside: datetime, anywhere: datetime, minor: int
) -> None:
    period = schedule.period_at(inside)
    share = period.share_after(anywhere)
    assert 0 <= share <= 1
    assert period.share_after(period.start) == 1
    assert period.share_after(period.end) == 0
    since = Fraction((inside - period.start) // US, (period.end - period.start) // US)
    assert period.share_after(inside) + since == 1
    same = prorate(Fraction(minor, 100), Fraction(minor, 100), share, USD)
    assert same.credit == same.charge
    assert same.credit.minor >= 0
    assert 0 <= prorate_quantity(minor, share, 8) <= minor


def test_a_subscription_that_begins_in_the_repeated_hour_has_a_whole_first_period() -> None:
    start = datetime(2026, 11, 1, 6, 30, tzinfo=UTC)  # the second 01:30 of that day
    schedule = Schedule.anniversary(Interval.MONTH, start, ZoneInfo("America/New_York"))
    assert schedule.period_at(start) == Period(start, datetime(2026, 12, 1, 6, 30, tzinfo=UTC))
