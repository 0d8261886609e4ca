"""Metered quantities by day and by hour, split into what is included and what is charged.

They add up: a period's slots sum to what its invoice counts. Whole days are read as they are; what is left of
a part's total, such as the usage of the quarter of an hour in which it began, is its first day's.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal
from typing import NamedTuple, Self
from uuid import UUID
from zoneinfo import ZoneInfo

from tollway.billing.timeline import PeriodPart
from tollway.metering.models import UsageReading
from tollway.metering.ports import UsageQuery, UsageSpan
from tollway.web.portal.offer.words import UNLIMITED, included
from tollway.web.portal.ports.usage import Slot

__all__ = ["Metered", "MeteredPart", "days_of", "hours_of", "metered_part", "present_part"]

_MOST_DAYS = 45
"""Of a longer period, the last ones are shown."""

_NOTHING = Decimal(0)
_Amounts = Mapping[tuple[UUID, str], Decimal]
"""Quantities by phase and meter."""


class MeteredPart(NamedTuple):
    """The metered price of a part that its page is about. `included` is None where nothing is charged."""

    meter: str
    included: Decimal | None


class _Span(NamedTuple):
    start: datetime
    end: datetime


@dataclass(frozen=True, slots=True)
class Metered:
    """What the parts of one period hold, in all and by day; all of it from one view."""

    customer: UUID
    parts: Sequence[PeriodPart]
    zone: ZoneInfo
    totals: _Amounts
    days: Sequence[tuple[_Span, _Amounts]]

    @classmethod
    def read(
        cls, query: UsageQuery, customer: UUID, parts: Sequence[PeriodPart], until: datetime, zone: ZoneInfo
    ) -> Self:
        """Read the usage of parts that follow each other, up to `until`."""
        days = list(_days(parts[0].start, until, parts[-1].period.end, zone))[-_MOST_DAYS:]
        spans = [
            UsageSpan(customer=customer, phase=part.phase.id, start=part.usage_start, end=part.usage_end)
            for part in parts
        ]
        whole = _within(days, parts)
        spans += [UsageSpan(customer=customer, start=day.start, end=day.end) for day in whole]
        readings = query.readings(spans)
        totals = {
            key: quantity
            for part, reading in zip(parts, readings[: len(parts)], strict=True)
            for key, quantity in _amounts(reading).items()
            if key[0] == part.phase.id
        }
        amounts: list[_Amounts] = [{}] * (len(days) - len(whole))
        amounts += [_amounts(reading) for reading in readings[len(parts) :]]
        return cls(customer, parts, zone, totals, list(zip(days, amounts, strict=True)))

    def of_part(self, part: PeriodPart, meter: str) -> Decimal:
        """Return what a part holds of a meter."""
        return self.totals.get((part.phase.id, meter), _NOTHING)

    def total(self, meter: str) -> Decimal:
        """Return what the whole period holds of a meter, whatever plan it was used under."""
        return sum((self.of_part(part, meter) for part in self.parts), _NOTHING)


def present_part(parts: Sequence[PeriodPart], now: datetime) -> PeriodPart:
    """Return the part that `now` lies in, or else the last."""
    return next((part for part in parts if part.start <= now < part.end), parts[-1])


def metered_part(part: PeriodPart) -> MeteredPart | None:
    """Return the first metered price of a part's plan, with what of it is free for the part's share."""
    for price in part.phase.plan.plan.prices:
        if price.meter is not None:
            free = included(price)
            share = Decimal(part.share.numerator) / Decimal(part.share.denominator)
            return MeteredPart(price.meter, None if free == UNLIMITED else free * share)
    return None


def days_of(metered: Metered) -> list[Slot]:
    """Return a slot for each day shown: of the metered price that the plan of the time had first."""
    return [day.slot for day in _allocated(metered)]


def hours_of(query: UsageQuery, metered: Metered, day: date) -> list[Slot]:
    """Return the hours of one day, none where it is not among those shown."""
    found = [one for one in _allocated(metered) if one.slot.start.astimezone(metered.zone).date() == day]
    if not found:
        return []
    hours = list(_hours(found[0].slot))
    whole = _within(hours, metered.parts)
    spans = [UsageSpan(customer=metered.customer, start=hour.start, end=hour.end) for hour in whole]
    amounts: list[_Amounts] = [{}] * (len(hours) - len(whole))
    amounts += [_amounts(reading) for reading in query.readings(spans)]
    tallies = [one.at(amounts) for one in found[0].before]
    return [_slot(hour, held, tallies) for hour, held in zip(hours, amounts, strict=True)]


@dataclass(slots=True)
class _Tally:
    """How far a part has got. `first` is what its first slot shown has beyond what was read for it."""

    part: PeriodPart
    shown: MeteredPart
    used: Decimal
    first: Decimal
    whole: Decimal
    """What it is to come to in the slots that follow."""

    def take(self, span: _Span, held: _Amounts) -> tuple[Decimal, Decimal]:
        """Count a slot; return what of it is included and what is charged."""
        quantity = held.get((self.part.phase.id, self.shown.meter), _NOTHING)
        if span.end > self.part.start:
            quantity += self.first
            self.first = _NOTHING
        free = quantity if self.shown.included is None else max(_NOTHING, self.shown.included - self.used)
        taken = min(quantity, free)
        self.used += quantity
        return taken, quantity - taken

    def at(self, held: Sequence[_Amounts]) -> _Tally:
        """Return this tally for finer slots that together hold the same."""
        key = (self.part.phase.id, self.shown.meter)
        found = sum((amounts.get(key, _NOTHING) for amounts in held), _NOTHING)
        return replace(self, first=max(_NOTHING, self.whole - found))


class _Day(NamedTuple):
    slot: Slot
    before: Sequence[_Tally]
    """How far each part had got when the day began, with what the day holds of it."""


def _allocated(metered: Metered) -> Iterator[_Day]:
    tallies = []
    for part in metered.parts:
        shown = metered_part(part)
        if shown is None:
            continue
        key = (part.phase.id, shown.meter)
        rest = metered.totals.get(key, _NOTHING)
        rest -= sum((held.get(key, _NOTHING) for _, held in metered.days), _NOTHING)
        # What lies before the days shown was used before them; otherwise it is the first day's.
        earlier = bool(metered.days) and metered.days[0][0].start > part.start
        rest = max(_NOTHING, rest)
        tallies.append(
            _Tally(part, shown, rest if earlier else _NOTHING, _NOTHING if earlier else rest, _NOTHING)
        )
    for span, held in metered.days:
        before = [replace(tally) for tally in tallies]
        slot = _slot(span, held, tallies)
        for was, tally in zip(before, tallies, strict=True):
            was.whole = tally.used - was.used
        yield _Day(slot, before)


def _slot(span: _Span, held: _Amounts, tallies: Sequence[_Tally]) -> Slot:
    taken = [tally.take(span, held) for tally in tallies]
    return Slot(
        span.start,
        span.end,
        sum((one for one, _ in taken), _NOTHING),
        sum((other for _, other in taken), _NOTHING),
    )


def _amounts(reading: UsageReading) -> dict[tuple[UUID, str], Decimal]:
    found: dict[tuple[UUID, str], Decimal] = defaultdict(lambda: _NOTHING)
    for one in reading.quantities:
        if one.phase is not None:
            found[one.phase, one.meter] += one.quantity
    return dict(found)


def _days(start: datetime, until: datetime, end: datetime, zone: ZoneInfo) -> Iterator[_Span]:
    """Yield the days from the one of `start` to the one of `until`; the last ends with the period."""
    day = start.astimezone(zone).date()
    while (begins := _midnight(day, zone)) < until:
        day += timedelta(days=1)
        yield _Span(begins, min(_midnight(day, zone), end))


def _within(spans: Sequence[_Span], parts: Sequence[PeriodPart]) -> list[_Span]:
    """Return the spans that hold nothing of the period before: that one may have had the same phase."""
    return [span for span in spans if span.start >= parts[0].start]


def _hours(slot: Slot) -> Iterator[_Span]:
    start = slot.start
    while start < slot.end:
        end = min(start + timedelta(hours=1), slot.end)
        yield _Span(start, end)
        start = end


def _midnight(day: date, zone: ZoneInfo) -> datetime:
    return datetime.combine(day, time.min, zone).astimezone(UTC)
