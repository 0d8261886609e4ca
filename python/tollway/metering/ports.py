"""What metering needs from others, and what it offers to billing."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from datetime import datetime
from typing import Any, NamedTuple, Protocol
from uuid import UUID

from tollway.metering.activity import ActivityRecord
from tollway.metering.external import Attributed, Attribution, ExternalEvent, Parked, UsageReport
from tollway.metering.meters import Meter
from tollway.metering.models import (
    Batch,
    ConsumerQuantity,
    CursorVector,
    LogFault,
    LogView,
    NodeAct,
    NodeState,
    UsageEvent,
    UsageReading,
    UsageRecord,
)
from tollway.metering.redelivery import Deliveries

__all__ = [
    "Attributions",
    "Delivery",
    "EventSelection",
    "ExternalStorage",
    "ExternalStore",
    "MeterSource",
    "QueueSession",
    "UsageLog",
    "UsageQuery",
    "UsageSpan",
    "UsageStorage",
    "UsageStore",
]


@dataclass(frozen=True, slots=True, kw_only=True)
class EventSelection:
    """Which events: every field that is set must match. The range of time is half-open.

    `meter`, a name, takes those events that the meter added up. `up_to` leaves out what was metered after
    that vector was read, e.g. after an invoice was made; `after` leaves out what was metered before.
    """

    customer: UUID | None = None
    consumer: UUID | None = None
    phase: UUID | None = None
    meter: str | None = None
    start: datetime | None = None
    end: datetime | None = None
    after: CursorVector | None = None
    up_to: CursorVector | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class UsageSpan:
    """Whose usage, and of when: every field that is set must match. The range of time is half-open."""

    customer: UUID | None = None
    phase: UUID | None = None
    start: datetime | None = None
    end: datetime | None = None


class UsageQuery(Protocol):
    """What billing reads. Quantities and events agree: the events add up to the quantity."""

    def quantities(
        self,
        *,
        start: datetime | None = None,
        end: datetime | None = None,
        customer: UUID | None = None,
        phase: UUID | None = None,
    ) -> UsageReading:
        """Add up the usage in `[start, end)`, to the microsecond, per (customer, phase, meter).

        Ordered by customer, phase, meter. The reading says which nodes may still add to it, and keeps
        the cursor vector that a later `events(up_to=…)` needs. At the edges that lie within 15 minutes
        the usage log itself is read: whole quarters of an hour are much cheaper.
        """

    def readings(self, spans: Sequence[UsageSpan]) -> Sequence[UsageReading]:
        """Answer `quantities` for each span, all from one view: cursors and nodes are the same in each."""

    def by_consumer(
        self, *, start: datetime | None = None, end: datetime | None = None, consumer: UUID | None = None
    ) -> Sequence[ConsumerQuantity]:
        """Add up the usage in `[start, end)` per (consumer, meter), ordered by them."""

    def events(self, selection: EventSelection) -> Iterator[UsageEvent]:
        """Yield the metered events that match: node by node, start by start, in the order of their times.

        A long exchange has several, with one request id and different parts.

        Raises:
            NotFound: there is no such meter.
        """

    def external_events(self, selection: EventSelection) -> Iterator[ExternalEvent]:
        """Yield the events from elsewhere that match, in the order of their storing.

        They are what the built-in meter `units` added up: with another `meter` there are none.
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
    """The gateways' usage log, read in place. What can't be read is `LogUnreadable`."""

    def recover(self) -> None:
        """Close the epochs whose gateway is dead: make their tails durable, so they can be read."""

    def view(self) -> LogView:
        """Look at all marks: which shards there are, ordered, and how far each may be read now."""

    def aggregate(
        self, start: CursorVector, end: CursorVector, cuts: Sequence[datetime], max_events: int
    ) -> Batch:
        """Add up the events from `start` to `end`; no group spans 15 minutes UTC or one of `cuts`.

        The shards named in `end` are read. Ends early after about `max_events`.
        """

    def events(
        self, start: CursorVector, end: CursorVector, selection: EventSelection
    ) -> Iterator[UsageEvent]:
        """Yield the events of `end`'s shards from `start` to `end` that match all but the meter."""


class UsageStore(Protocol):
    """Usage records and what goes with them, within one transaction."""

    def cursors(self) -> CursorVector:
        """Return how far each shard has been metered."""

    def move_cursors(self, before: CursorVector, after: CursorVector) -> None:
        """Move each shard of `after` from where `before` says it stands.

        Raises:
            CursorMoved: it stands elsewhere; the transaction must be given up.
        """

    def add_records(self, records: Sequence[UsageRecord]) -> None:
        """Add the quantities to what is stored under the same keys."""

    def add_activity(self, activity: Sequence[ActivityRecord]) -> None:
        """Add to what is stored under the same keys; the latest time stands."""

    def add_faults(self, faults: Sequence[LogFault], at: datetime) -> None:
        """Keep the faults; one that is already kept changes nothing."""

    def totals(
        self,
        *,
        start: int | None,
        end: int | None,
        customer: UUID | None = None,
        consumer: UUID | None = None,
        phase: UUID | None = None,
    ) -> Sequence[UsageRecord]:
        """Add up whole buckets in `[start, end)` (µs since 1970) over time and dimensions.

        The records that come back have bucket 0 and dimensions `{}`.
        """

    def external_position(self) -> int:
        """Return how many events from elsewhere were ever stored."""

    def external_totals(self, selection: EventSelection) -> Sequence[UsageRecord]:
        """Add up the events from elsewhere that match all but the meter, as records of bucket 0."""

    def external_events(self, selection: EventSelection) -> Iterator[ExternalEvent]:
        """Yield the events from elsewhere that match all but the meter, in the order of their storing."""

    def nodes(self) -> Sequence[NodeState]:
        """Return every registered node, ordered by name."""

    def register(self, node: str, at: datetime) -> None:
        """Begin to wait for a node; one that is known already changes nothing."""

    def set_watermarks(self, watermarks: Mapping[str, datetime]) -> None:
        """Say how far the usage of registered nodes is complete."""

    def decide(self, act: NodeAct) -> None:
        """Retire or reinstate a registered node, and keep who did it and why."""

    def acts(self) -> Sequence[NodeAct]:
        """Return every decision about nodes, oldest first."""

    def faults(self) -> Sequence[LogFault]:
        """Return every fault that was kept, ordered by shard and place."""


class UsageStorage(Protocol):
    """Opens transactions on usage records."""

    def read(self) -> AbstractContextManager[UsageStore]:
        """One consistent view."""

    def write(self) -> AbstractContextManager[UsageStore]:
        """One transaction: committed when the block ends, rolled back when it raises."""


class ExternalStore(Protocol):
    """Usage from elsewhere, within one transaction."""

    def add(self, reports: Sequence[Attributed]) -> list[bool]:
        """Store reports as events, with the usage records and the activity they become.

        False for each whose reporter, source and id are those of a stored event, or of one before it.
        """

    def park(self, messages: Sequence[Parked]) -> None:
        """Keep messages whose consumer doesn't exist; their positions are given anew."""

    def parked(self, *, after: int = 0, subject: str | None = None, limit: int = 1000) -> Sequence[Parked]:
        """Return messages that are parked, by position, behind `after`; `subject` as they name it."""

    def unpark(self, positions: Sequence[int]) -> Collection[int]:
        """Forget parked messages; returns those that were still there."""

    def counts(self) -> tuple[int, int]:
        """Return how many events were ever stored, and how many messages are parked."""

    def deliveries(self, queue: str) -> Deliveries:
        """Return what of a queue may come again."""

    def set_deliveries(self, queue: str, deliveries: Deliveries) -> None:
        """Keep what of a queue may come again."""


class ExternalStorage(Protocol):
    """Opens transactions on usage from elsewhere."""

    def read(self) -> AbstractContextManager[ExternalStore]:
        """One consistent view."""

    def write(self) -> AbstractContextManager[ExternalStore]:
        """One transaction: committed when the block ends, rolled back when it raises."""


class Attributions(Protocol):
    """Whose usage a report is; `app` asks gateway and billing."""

    def of(self, reports: Sequence[UsageReport], now: datetime, *, early: bool) -> list[Attribution | None]:
        """Say of each report whose it is at its time, None where its subject names no consumer.

        `early`: a report from before its consumer's first subscription belongs to that one's first phase.
        """


class Delivery(NamedTuple):
    """A message as a queue gave it out. Source and id are whatever its sender wrote there."""

    body: bytes
    redelivered: bool
    """Whether it was given out before. One that isn't marked never was."""
    source: Any
    message_id: Any
    envelope: Any = None
    """What the session needs to pass it on."""
    problem: str | None = None
    """Why what its sender wrote around the body can't be read. It is put aside, whatever the body says."""


class QueueSession(Protocol):
    """A connection to a queue that nobody else reads. What isn't acknowledged when it ends comes again."""

    def get(self) -> Delivery | None:
        """Return the next message, None if there is none now. It is this session's until acknowledged."""

    def bury(self, delivery: Delivery, reason: str) -> None:
        """Put a message that can't be read where people look at it; it is still to be acknowledged."""

    def acknowledge(self) -> None:
        """Acknowledge everything that was got; returns once the queue has forgotten it."""

    def idle(self, seconds: float) -> None:
        """Pass time without losing the connection."""
