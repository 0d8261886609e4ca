"""What metering needs from others, and what it offers to billing."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol
from uuid import UUID

from tollway.metering.meters import Meter
from tollway.metering.models import (
    Batch,
    CursorVector,
    NodeState,
    ShardState,
    UsageEvent,
    UsageReading,
)

__all__ = ["EventSelection", "MeterSource", "UsageLog", "UsageQuery"]


@dataclass(frozen=True, slots=True, kw_only=True)
class EventSelection:
    """Which events: every field that is set must match. The range of time is half-open.

    `meter` takes those events that the meter counts. `up_to` leaves out what was metered after that
    vector was read, e.g. after an invoice was made.
    """

    customer: UUID | None = None
    consumer: UUID | None = None
    phase: UUID | None = None
    meter: UUID | None = None
    test_mode: bool | None = None
    start: datetime | None = None
    end: datetime | None = None
    up_to: CursorVector | None = None


class UsageQuery(Protocol):
    """What billing reads. Quantities and events agree: the events add up to the quantity."""

    def quantities(
        self,
        *,
        start: datetime,
        end: datetime,
        customer: UUID | None = None,
        phase: UUID | None = None,
        test_mode: bool | None = None,
    ) -> UsageReading:
        """Add up the usage in `[start, end)`, to the microsecond, per (customer, phase, meter).

        Ordered by customer, phase, meter; what is zero is left out. The reading says which nodes may
        still add to it, and keeps the cursor vector that a later `events(up_to=…)` needs.
        """

    def events(self, selection: EventSelection) -> Iterator[UsageEvent]:
        """Yield the metered events that match, shard by shard, in the order of their times in each.

        Raises:
            NotFound: there is no such meter.
        """

    def nodes(self) -> Sequence[NodeState]:
        """Return every registered node, ordered by name."""


class MeterSource(Protocol):
    """Where meters come from; `app` maps the catalog's onto them."""

    def meters(self) -> Sequence[Meter]:
        """Return every meter that there is or was, as of an instant after the call began.

        A meter that is being stored while this is called must be waited for, or come into effect only
        after this call: metering relies on it to count the same however late it runs.
        """


class UsageLog(Protocol):
    """The gateways' usage log, read in place."""

    def recover(self) -> None:
        """Close the epochs whose gateway is dead: make their tails durable, so they can be read."""

    def shards(self) -> Sequence[ShardState]:
        """Return every shard there is, ordered, and how far each may be read now."""

    def aggregate(self, start: CursorVector, end: CursorVector, cuts: Sequence[datetime]) -> Batch:
        """Add up the events from `start` to `end`; no group spans 15 minutes UTC or one of `cuts`."""

    def events(
        self, start: CursorVector, end: CursorVector, selection: EventSelection
    ) -> Iterator[UsageEvent]:
        """Yield the events from `start` to `end` that match all of `selection` but its meter."""
