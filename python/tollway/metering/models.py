"""What metering speaks of: where the log was read up to, what it says, and the quantities it became."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from decimal import Decimal
from enum import StrEnum
from typing import Literal, NamedTuple, Self
from uuid import UUID

from tollway.metering.activity import ActivityRecord

__all__ = [
    "BUCKET_MICROS",
    "Batch",
    "Completion",
    "ConsumerQuantity",
    "CursorVector",
    "FaultKind",
    "Group",
    "LogFault",
    "LogView",
    "NodeAct",
    "NodeState",
    "Quantity",
    "ShardId",
    "ShardState",
    "Source",
    "UsageEvent",
    "UsageReading",
    "UsageRecord",
    "bucket_of",
]

BUCKET_MICROS = 15 * 60 * 1_000_000
"""A usage record covers 15 minutes, counted from midnight UTC."""


def bucket_of(micros: int) -> int:
    """Return the start of the 15 minutes UTC that an instant, in µs since 1970, lies in."""
    return micros - micros % BUCKET_MICROS


Completion = Literal["complete", "client_abort", "upstream_abort"]
"""How an exchange ended."""

Source = Literal["upstream", "cache"]
"""Who gave the answer."""


class ShardId(NamedTuple):
    """One append-only stream of the usage log: one thread of one start of one gateway node."""

    node: str
    """32 hex digits."""
    epoch: int
    shard: int

    def __str__(self) -> str:
        return f"{self.node}/{self.epoch}/{self.shard}"

    @classmethod
    def parse(cls, text: str) -> Self:
        """Read what `str` wrote: `NODE/EPOCH/SHARD`."""
        node, epoch, shard = text.split("/")
        return cls(node, int(epoch), int(shard))


@dataclass(frozen=True, slots=True)
class CursorVector:
    """How far each shard has been metered: every event below its offset is in the usage records.

    A shard that is not named stands at 0. An invoice keeps the vector it was made from, so the events
    behind its lines can be told from those that came later.
    """

    offsets: Mapping[ShardId, int] = field(default_factory=dict)

    def __getitem__(self, shard: ShardId) -> int:
        return self.offsets.get(shard, 0)

    def __iter__(self) -> Iterator[ShardId]:
        return iter(self.offsets)

    def to_json(self) -> dict[str, int]:
        """Return `{"NODE/EPOCH/SHARD": offset}`, ordered."""
        return {str(shard): self.offsets[shard] for shard in sorted(self.offsets)}

    @classmethod
    def from_json(cls, value: Mapping[str, int]) -> Self:
        """Read what `to_json` wrote."""
        return cls({ShardId.parse(shard): offset for shard, offset in value.items()})


@dataclass(frozen=True, slots=True)
class ShardState:
    """What a shard's mark says: how far it may be read, and what that means in time."""

    shard: ShardId
    readable: int
    """Everything below this offset is fdatasynced; nothing above it may be read."""
    synced_at: datetime
    """Every event with an earlier time lies below `readable`."""
    closed: bool
    """Nothing will be appended any more, and the tail is durable."""


@dataclass(frozen=True, slots=True)
class LogView:
    """One look at all marks."""

    as_of: datetime
    """The instant before the look: no event that the look missed will have an earlier time."""
    shards: tuple[ShardState, ...]


class FaultKind(StrEnum):
    """What can be wrong with a stretch of the log."""

    HOLE = "hole"
    """Reserved but never finished: the process died there. Nothing was lost, what follows stands."""
    QUARANTINED = "quarantined"
    """The checksum doesn't match: those bytes are not billed, what follows is."""
    BEYOND_END = "beyond_end"
    """The cursor is beyond the end of its log: the log was lost or exchanged. The shard is stopped."""


@dataclass(frozen=True, slots=True)
class LogFault:
    """A stretch `[start, end)` of a shard that could not be metered, and why."""

    shard: ShardId
    kind: FaultKind
    start: int
    end: int


class Group(NamedTuple):
    """Events of one credential that no meter can tell apart, added up.

    Identifiers are 16 raw bytes, zero for none.
    """

    start: int
    """µs since 1970: the start of the 15 minutes, or the latest cut before the events within them."""
    customer: bytes
    consumer: bytes
    credential: bytes
    phase: bytes
    test_mode: bool
    route: bytes
    service: bytes
    status: int
    grpc_status: int | None
    method: str
    completion: Completion
    source: Source
    events: int
    """Log records, of which a long exchange has several."""
    requests: int
    """Exchanges: the records that are part 0."""
    units: int
    bytes_in: int
    bytes_out: int
    last: int
    """µs since 1970: the time of the latest."""


@dataclass(frozen=True, slots=True)
class Batch:
    """A stretch of the log, added up."""

    groups: Iterable[Group]
    """May be asked for once."""
    activity: Sequence[ActivityRecord]
    """Every event, whether a meter takes it or not: one row for each key, ordered by them."""
    after: CursorVector
    """Where to go on, for every shard that was to be read."""
    faults: tuple[LogFault, ...]
    events: int
    done: bool
    """Whether everything that was asked for was reached."""


@dataclass(frozen=True, slots=True)
class UsageEvent:
    """One immutable fact as the log holds it. Its identity is (shard, offset)."""

    shard: ShardId
    offset: int
    request_id: str
    """32 hex digits: `X-Kong-Request-Id`, which client and upstream saw too."""
    time: datetime
    duration: timedelta
    upstream_wait: timedelta
    consumer: UUID | None
    credential: UUID | None
    customer: UUID | None
    phase: UUID | None
    route: UUID | None
    service: UUID | None
    config_version: int
    bytes_in: int
    bytes_out: int
    units: int
    part: int
    last: bool
    completion: Completion
    source: Source
    test_mode: bool
    status: int
    grpc_status: int | None
    attempts: int
    method: str
    path: str


class UsageRecord(NamedTuple):
    """A quantity of one meter within 15 minutes. Identifiers are 16 raw bytes, zero for none.

    Whole units: what adds up here is counted, never weighed.
    """

    bucket: int
    """µs since 1970: the start of the 15 minutes."""
    customer: bytes
    consumer: bytes
    phase: bytes
    meter: bytes
    test_mode: bool
    dimensions: str
    """What the meter keeps apart, as JSON with ordered names: `{"method":"GET"}`; `{}` for nothing."""
    quantity: int
    events: int


@dataclass(frozen=True, slots=True)
class Quantity:
    """What a customer used of a meter, by its name, under one phase of a subscription."""

    customer: UUID | None
    phase: UUID | None
    meter: str
    quantity: Decimal


@dataclass(frozen=True, slots=True)
class ConsumerQuantity:
    """What a consumer used of a meter, by its name."""

    consumer: UUID | None
    meter: str
    quantity: Decimal


@dataclass(frozen=True, slots=True)
class NodeState:
    """A gateway node: how far its usage is complete.

    Every event of the node with a time before `watermark` is in the usage records; `None` means that
    nothing is known yet. A retired node is no longer waited for.
    """

    node: str
    watermark: datetime | None
    registered_at: datetime
    retired_at: datetime | None

    def lags(self, until: datetime) -> bool:
        """Whether usage of the node before `until` may still come."""
        return self.retired_at is None and (self.watermark is None or self.watermark < until)


@dataclass(frozen=True, slots=True)
class NodeAct:
    """What was decided about a node, by whom and why; kept for good."""

    node: str
    act: Literal["retire", "reinstate"]
    actor: str
    reason: str
    at: datetime


@dataclass(frozen=True, slots=True)
class UsageReading:
    """Quantities, and the state of the log they were read at: one consistent view."""

    quantities: tuple[Quantity, ...]
    cursors: CursorVector
    nodes: tuple[NodeState, ...]

    def lagging(self, until: datetime) -> tuple[NodeState, ...]:
        """Return the nodes whose usage before `until` may still grow."""
        return tuple(node for node in self.nodes if node.lags(until))
