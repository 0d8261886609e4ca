"""The usage page's figures as charts, each with its table."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, time, timedelta
from decimal import Decimal
from zoneinfo import ZoneInfo

from markupsafe import Markup

from tollway.billing.rating.wording import grouped
from tollway.web.portal.offer.words import money
from tollway.web.portal.ports.usage import Gauge, Limit, Slot, UsageView
from tollway.web.ui.charts import Arm, Post, TickState, meter, nice_step, ruler, twin
from tollway.web.ui.columns import Column, ColumnPost, Forecast, columns

__all__ = ["LimitRow", "by_day", "by_hour", "gauge", "limit_rows"]

_WEEK = 7
_ENOUGH_DAYS = 3
_LATE, _NEARLY = Decimal("0.8"), Decimal("0.95")


@dataclass(frozen=True, slots=True)
class LimitRow:
    """A quota: its name, its meter, what is left of it in words."""

    name: str
    meter: Markup
    left: str


def gauge(view: UsageView) -> Markup | None:
    """Return the ruler of the metered quantity; None where the plan has none."""
    found = view.gauge
    if found is None or view.cost is None:
        return None
    end = _end(found)
    posts = []
    if found.included is not None and 0 < found.included <= end:
        posts.append(
            Post(
                at=found.included,
                lines=(money(found.fees), "included", f"{_count(found.included)} {found.unit}"),
                arm=Arm.RAISED,
            )
        )
    if found.limit is not None:
        cost = "" if found.cost_at_limit is None else money(found.cost_at_limit)
        posts.append(
            Post(
                at=found.limit,
                lines=(cost, "plan limit", f"{found.limit:,} {found.unit}"),
                arm=Arm.LOWERED,
            )
        )
    said = [f"{_count(found.used)} {found.unit} so far; {money(found.cost_now)} on the next invoice."]
    if found.included is not None:
        said.append(f"{_count(found.included)} are included.")
    if found.limit is not None:
        said.append(f"Calls stop at {found.limit:,}.")
    return ruler(
        end=end,
        used=found.used,
        included=end if found.included is None else found.included,
        forecast=found.forecast if view.current else None,
        posts=posts,
        now=f"{_count(found.used)} now" if view.current else f"{_count(found.used)} in all",
        title=" ".join(said),
    )


def by_day(view: UsageView) -> Markup:
    """Return the days of the period, those to come forecast, and their table."""
    unit = view.gauge.unit if view.gauge is not None else "calls"
    zone = view.zone
    today = view.now.astimezone(zone).date()
    shown = [_day_column(view, slot, unit, today=today) for slot in view.days]
    if view.current:
        shown += _days_ahead(view)
    posts = []
    passed = _passed_at(view.days)
    if passed is not None and view.gauge is not None and view.gauge.included:
        text = f"{_count(view.gauge.included)} included used"
        posts.append(ColumnPost(at=passed, text=text, arm=Arm.RAISED))
    chart = columns(shown, title=f"{unit.capitalize()} per day of this period", posts=posts)
    rows = [(_day_text(slot.start, zone), *_figures(slot)) for slot in view.days]
    return chart + _twin("Day", rows, view.days)


def by_hour(view: UsageView) -> Markup | None:
    """Return the hours of the day that was asked for, with their table; None where none was."""
    if not view.hours:
        return None
    shown = [
        Column(
            label=f"{slot.start.astimezone(view.zone):%H:%M}",
            title=f"{slot.start.astimezone(view.zone):%H:%M}: {_count(slot.counted)}",
            parts=(("sf", slot.included), ("s1", slot.charged)),
        )
        for slot in view.hours
    ]
    rows = [(f"{slot.start.astimezone(view.zone):%H:%M}", *_figures(slot)) for slot in view.hours]
    return columns(shown, title="By hour", height=200) + _twin("Hour", rows, view.hours)


def limit_rows(view: UsageView) -> Sequence[LimitRow]:
    """Return the quotas, each with how much of it is left."""
    return [_limit_row(limit) for limit in view.limits]


def _limit_row(limit: Limit) -> LimitRow:
    left = max(Decimal(0), limit.limit - limit.used)
    used = limit.used / limit.limit if limit.limit else Decimal(1)
    state: TickState = "x" if used >= _NEARLY else "w" if used >= _LATE else "p"
    text = f"{_count(left)} of {limit.limit:,} left"
    return LimitRow(
        limit.unit.capitalize(), meter(limit.used, limit.limit, title=text, state=state, height=10), text
    )


def _end(found: Gauge) -> Decimal:
    """Return where the ruler ends: at the limit, or at a round number beyond all there is to show."""
    if found.limit is not None:
        return max(Decimal(found.limit), found.used)
    most = max(found.included or Decimal(0), found.forecast or Decimal(0), found.used, Decimal(10))
    room = most * Decimal("1.1")
    step = nice_step(room)
    return room if step.denominator != 1 else Decimal(math.ceil(room / step.numerator) * step.numerator)


def _day_column(view: UsageView, slot: Slot, unit: str, *, today: object) -> Column:
    day = slot.start.astimezone(view.zone).date()
    forecast = None
    if view.current and day == today and view.gauge is not None:
        forecast = _expected(view)
        if forecast is not None and forecast.expected <= slot.counted:
            forecast = None
    return Column(
        label="today" if view.current and day == today else f"{day.day} {day:%b}",
        title=f"{day:%a} {day.day} {day:%b}: {_count(slot.counted)} {unit}, {_count(slot.charged)} charged",
        parts=(("sf", slot.included), ("s1", slot.charged)),
        forecast=forecast,
        strong=view.current and day == today,
        href=f"/usage?period={view.period.number}&day={day.isoformat()}#hours",
        id=f"day-{day.isoformat()}",
    )


def _days_ahead(view: UsageView) -> list[Column]:
    expected = _expected(view)
    day = view.now.astimezone(view.zone).date() + timedelta(days=1)
    ahead = []
    while datetime.combine(day, time.min, view.zone).astimezone(UTC) < view.period.end:
        text = "" if expected is None else f", about {expected.expected:,}"
        ahead.append(
            Column(label=f"{day.day} {day:%b}", title=f"{day.day} {day:%b}{text}", forecast=expected)
        )
        day += timedelta(days=1)
        if len(ahead) > 31:
            break
    return ahead


def _expected(view: UsageView) -> Forecast | None:
    """Return what a day is like by the whole days of the week before; None where there are too few."""
    whole = [slot.counted for slot in view.days[1:-1]][-_WEEK:]
    if len(whole) < _ENOUGH_DAYS or not any(whole):
        return None
    mean = (sum(whole, Decimal(0)) / len(whole)).quantize(Decimal(1))
    return Forecast(expected=mean, low=min(whole), high=max(whole))


def _passed_at(days: Sequence[Slot]) -> float | None:
    """Return where in the chart the included quantity was used up."""
    for position, slot in enumerate(days):
        if slot.charged > 0:
            return position + 0.9
    return None


def _figures(slot: Slot) -> tuple[str, str, str]:
    return _count(slot.counted), _count(slot.included), _count(slot.charged)


def _twin(first: str, rows: Sequence[Sequence[str]], slots: Sequence[Slot]) -> Markup:
    return twin(
        (first, "Counted", "Included", "Charged"),
        rows,
        foot=(
            "Total",
            *(
                _count(sum((amount for amount in amounts), Decimal(0)))
                for amounts in (
                    [slot.counted for slot in slots],
                    [slot.included for slot in slots],
                    [slot.charged for slot in slots],
                )
            ),
        ),
    )


def _day_text(start: datetime, zone: ZoneInfo) -> str:
    local = start.astimezone(zone)
    return f"{local.day} {local:%b}"


def _count(quantity: Decimal) -> str:
    return grouped(quantity.quantize(Decimal(1)) if quantity == quantity.to_integral_value() else quantity)
