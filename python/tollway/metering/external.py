"""Usage that others report: what a report says, whom it concerns, and the records it becomes.

Reports feed the built-in meter `units`, a sum with `api_endpoint` as its dimension. It exists without being
in a catalog file, and no event of the usage log is in it: a program that reports calls which went through
the gateway must not be paid twice. A catalog that defines a meter of that name adds the gateway's to it.
"""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import NamedTuple
from uuid import UUID

from tollway.kernel.instants import to_micros
from tollway.metering.activity import HOUR_MICROS, ActivityRecord
from tollway.metering.models import ShardId, UsageRecord, bucket_of

__all__ = [
    "EXTERNAL",
    "UNITS",
    "UNITS_METER",
    "Attributed",
    "Attribution",
    "ExternalEvent",
    "Parked",
    "UsageReport",
    "activity_of_events",
    "records_of_events",
]

UNITS = "units"
UNITS_METER = UUID("019a0000-0000-7000-8000-00756e697473")
"""The id under which records of the built-in meter are kept."""

EXTERNAL = ShardId("external", 0, 0)
"""Stands in a cursor vector for the events from elsewhere: how many of them there were."""


@dataclass(frozen=True, slots=True, kw_only=True)
class UsageReport:
    """What somebody says was used. `subject` is a consumer's username, custom id or id."""

    subject: str
    endpoint: str
    """Empty where none is said."""
    time: datetime
    whole_second: bool
    """Whether the time says no more than its second."""
    units: int
    source: str
    id: str | None
    """With its source, the identity. Without it a report has none: two equal ones are two sales."""
    reporter: UUID | None = None
    """The consumer that reported with a key of its own, none for the seller: ids are each one's own."""


class Attribution(NamedTuple):
    """Whose usage a report is, at its time. Without a phase it is metered and shown, not billed."""

    consumer: UUID
    customer: UUID | None
    phase: UUID | None
    test_mode: bool


class Attributed(NamedTuple):
    """A report whose consumer is known, and when it came."""

    report: UsageReport
    whose: Attribution
    received_at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class ExternalEvent:
    """A report as it was stored: an immutable fact. `position` counts them in the order of their storing."""

    position: int
    source: str
    id: str | None
    reporter: UUID | None
    received_at: datetime
    time: datetime
    consumer: UUID
    customer: UUID | None
    phase: UUID | None
    test_mode: bool
    endpoint: str
    units: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Parked:
    """A message that names nobody: kept whole until its consumer exists."""

    position: int
    queue: str
    subject: str
    body: bytes
    source: str
    id: str | None
    received_at: datetime


def records_of_events(events: Iterable[ExternalEvent]) -> list[UsageRecord]:
    """Return the usage records that events amount to, one for each key."""
    totals: dict[tuple[int, bytes, bytes, bytes, bool, str], tuple[int, int]] = defaultdict(lambda: (0, 0))
    for event in events:
        key = (
            bucket_of(to_micros(event.time)),
            _raw(event.customer),
            event.consumer.bytes,
            _raw(event.phase),
            event.test_mode,
            _dimensions(event.endpoint),
        )
        quantity, number = totals[key]
        totals[key] = (quantity + event.units, number + 1)
    return [
        UsageRecord(*key[:4], UNITS_METER.bytes, *key[4:], *sums)  # the meter is part of the key
        for key, sums in totals.items()
    ]


def activity_of_events(events: Sequence[ExternalEvent]) -> list[ActivityRecord]:
    """Return the activity that events amount to: no key, no route, no status, but an endpoint."""
    totals: dict[tuple[int, bytes, bytes, bool, str], tuple[int, int, int]] = defaultdict(lambda: (0, 0, 0))
    for event in events:
        at = to_micros(event.time)
        key = (
            at - at % HOUR_MICROS,
            _raw(event.customer),
            event.consumer.bytes,
            event.test_mode,
            event.endpoint,
        )
        requests, units, last = totals[key]
        totals[key] = (requests + 1, units + event.units, max(last, at))
    none = bytes(16)
    return [
        ActivityRecord(hour, customer, consumer, none, none, 0, test_mode, endpoint, requests, units, 0, last)
        for (hour, customer, consumer, test_mode, endpoint), (requests, units, last) in totals.items()
    ]


def _dimensions(endpoint: str) -> str:
    named = {"api_endpoint": endpoint} if endpoint else {}
    return json.dumps(named, separators=(",", ":"), ensure_ascii=False)


def _raw(identifier: UUID | None) -> bytes:
    return bytes(16) if identifier is None else identifier.bytes
