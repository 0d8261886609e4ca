"""The engine (Rust). Every function here releases the GIL while it works."""

from collections.abc import Iterator, Sequence
from typing import Final, Literal, TypeAlias, final

__all__ = [
    "FAILPOINTS",
    "Activity",
    "ConfigError",
    "Cursor",
    "Fault",
    "Group",
    "LogEvent",
    "ShardState",
    "UsageBatch",
    "UsageLogError",
    "UsageReader",
    "UsageView",
    "UsageWriter",
    "__version__",
    "check_base",
    "check_rows",
    "run_gateway",
]

__version__: Final[str]
FAILPOINTS: Final[bool]
"""Whether this build heeds `TOLLWAY_FAILPOINT`; a release doesn't."""

Cursor: TypeAlias = tuple[str, int, int, int]
"""How far a shard was read: node (32 hex digits), epoch, shard, offset. A shard not named stands at 0."""

Fault: TypeAlias = tuple[str, int, int, Literal["hole", "quarantined", "beyond_end"], int, int]
"""A stretch that could not be read: node, epoch, shard, kind, start, end.

`hole`: reserved but never finished, the process died there. `quarantined`: the checksum doesn't match.
`beyond_end`: the cursor (`start`) is beyond the end (`end`) of its log; nothing of that shard was read.
"""

Activity: TypeAlias = tuple[
    int,  # µs since 1970: start of the hour UTC
    bytes,  # customer; ids are 16 raw bytes, zero for none
    bytes,  # consumer
    bytes,  # credential
    bytes,  # route
    int,  # status
    bool,  # test mode
    str,  # empty: the endpoint that usage from elsewhere names
    int,  # requests
    int,  # units
    int,  # bytes out
    int,  # µs since 1970: the latest event's time
]
Group: TypeAlias = tuple[
    int,  # µs since 1970: start of the 15 minutes UTC, or the latest cut within them
    bytes,  # customer; ids are 16 raw bytes, zero for none
    bytes,  # consumer
    bytes,  # credential
    bytes,  # phase
    bool,  # test mode
    bytes,  # route
    bytes,  # service
    int,  # status
    int | None,  # gRPC status
    str,  # method, "OTHER" for an unknown one
    Literal["complete", "client_abort", "upstream_abort"],
    Literal["upstream", "cache"],
    int,  # events: records of the log
    int,  # requests: the events that are part 0
    int,  # units
    int,  # bytes in
    int,  # bytes out
    int,  # µs since 1970: the time of the latest
]
"""Events that no meter can tell apart, of one credential, added up."""

class ConfigError(ValueError):
    """A configuration that no gateway would take; the text says all three parts."""

    location: str
    """The place: `routes[2].paths[0]`, `consumers[5].username`, `plugin rate-limiting config.minute`."""
    problem: str
    """What is wrong there."""
    fix: str
    """What would be right."""

def check_base(json: str) -> None:
    """Judge the base of a configuration (docs/maintainer/formats.md, section 1) as a gateway would.

    Raises:
        ConfigError: it is refused.
    """

def check_rows(table: str, json: str) -> None:
    """Judge rows of a keyed table, `consumers` or `key_auth`, as a gateway would: a JSON array of them.

    Raises:
        ConfigError: one of them is refused.
    """

def run_gateway(options: bytes) -> None:
    """Run a gateway until SIGTERM, SIGINT or the end of its lifeline, then drain it.

    Blocks; call it in the main thread. `options` is one JSON document: docs/maintainer/gateway-process.md.
    A second signal ends it at once.

    Raises:
        ValueError: an option is unknown, missing or impossible; the text names it.
        OSError: the gateway can't start, or did not end well; the text says what was concerned.
    """

class UsageLogError(Exception):
    """The usage log can't be opened, read or written; the text names the file and the fix."""

@final
class ShardState:
    """How far a shard may be read now."""

    node: str
    epoch: int
    shard: int
    readable: int
    """Everything below this offset is fdatasynced; nothing above it may be read."""
    synced_us: int
    """Every event with an earlier time lies below `readable`."""
    closed: bool
    """Nothing will be appended any more, and the tail is durable."""

@final
class UsageView:
    """One look at all marks."""

    as_of_us: int
    """The instant taken before the look. No event that the look missed will have an earlier time."""
    shards: list[ShardState]
    """Ordered by node, epoch, shard."""

    def watermark(self, node: str) -> int:
        """Return the µs before which every event of `node` lies below the `readable` of this view."""

@final
class UsageBatch:
    """A stretch of the log, added up."""

    @property
    def groups(self) -> list[Group]:
        """The groups, in no order; made anew at each call."""
    @property
    def activity(self) -> list[Activity]:
        """The groups added up per hour, consumer, key, route and status, ordered; made anew at each call."""
    @property
    def after(self) -> list[Cursor]:
        """Where to go on: every shard from the view, ordered."""
    @property
    def faults(self) -> list[Fault]: ...
    @property
    def events(self) -> int: ...
    @property
    def done(self) -> bool:
        """Whether all of `end` was reached; if not, `max_events` ended the batch, or a great many groups."""

@final
class LogEvent:
    """One event as the log holds it; ids are 16 raw bytes, zero for none."""

    node: str
    epoch: int
    shard: int
    offset: int
    request_id: str
    """32 hex digits."""
    time_us: int
    duration_us: int
    upstream_us: int
    consumer: bytes
    credential: bytes
    customer: bytes
    phase: bytes
    route: bytes
    service: bytes
    config_version: int
    bytes_in: int
    bytes_out: int
    units: int
    part: int
    last: bool
    completion: Literal["complete", "client_abort", "upstream_abort"]
    source: Literal["upstream", "cache"]
    test_mode: bool
    status: int
    grpc_status: int | None
    attempts: int
    method: str
    path: str

@final
class UsageReader:
    """Reads the usage logs under a directory (`DATA_DIR/usage-log`) in place, below the marks only."""

    def __new__(cls, directory: str) -> UsageReader: ...
    def recover(self) -> list[Cursor]:
        """Close every epoch whose gateway is dead: make its tail durable, so that it can be read.

        Idempotent; two may run at once. Returns the shards closed now and where each one ends.

        Raises:
            UsageLogError: a tail can't be synced or its mark not written; the others were still closed.
        """

    def view(self) -> UsageView:
        """Look at all marks.

        Raises:
            UsageLogError: a mark can't be read.
        """

    def aggregate(
        self, start: Sequence[Cursor], end: Sequence[Cursor], cuts_us: Sequence[int], max_events: int
    ) -> UsageBatch:
        """Add up the events from `start` to `end`; no group spans 15 minutes UTC or one of `cuts_us`.

        Shards named in `end` are read, up to what is there given. Ends early after about `max_events`.

        Raises:
            UsageLogError: a file is missing or unreadable, or `end` lies above what is readable.
        """

    def events(
        self,
        start: Sequence[Cursor],
        end: Sequence[Cursor],
        *,
        customer: bytes | None = None,
        consumer: bytes | None = None,
        phase: bytes | None = None,
        test_mode: bool | None = None,
        from_us: int | None = None,
        to_us: int | None = None,
    ) -> Iterator[LogEvent]:
        """Yield the events from `start` to `end` that match all that is given, shard by shard.

        Times are half-open, `[from_us, to_us)`. Holes and quarantined stretches are passed over: the
        batch that metered them has reported them.

        Raises:
            UsageLogError: a file is missing or unreadable, or a cursor lies above what is readable.
        """

    def delete_passed(self, readers: Sequence[Sequence[Cursor]]) -> int:
        """Delete the segments that every reader has passed, and return how many that were.

        Each of `readers` says how far one reader has durably come; a shard that it doesn't name stands at
        0. With no readers, nothing is deleted.

        Raises:
            UsageLogError: a shard can't be read, or a segment not removed.
        """

@final
class UsageWriter:
    """Writes a usage log from Python, for tests and simulations. The gateway writes its own.

    Opening it begins a new epoch of the node (32 hex digits); nobody else may write as that node.
    `segment_bytes` is a multiple of 4096. With `now_us`, the clock of the events stands there until
    `set_now`; 0 is the system's clock.
    """

    def __new__(
        cls,
        directory: str,
        node_id: str,
        *,
        shards: int = 1,
        level: Literal["group", "strict", "relaxed"] = "group",
        segment_bytes: int | None = None,
        budget_bytes: int | None = None,
        now_us: int = 0,
    ) -> UsageWriter: ...
    @property
    def epoch(self) -> int: ...
    def set_now(self, now_us: int) -> None:
        """Set the clock of the events, µs since 1970. Their times don't go back with it."""

    def append(
        self,
        shard: int = 0,
        *,
        request_id: bytes = ...,
        consumer: bytes = ...,
        credential: bytes = ...,
        customer: bytes = ...,
        phase: bytes = ...,
        route: bytes = ...,
        service: bytes = ...,
        config_version: int = 0,
        bytes_in: int = 0,
        bytes_out: int = 0,
        units: int = 1,
        duration_us: int = 0,
        upstream_us: int = 0,
        status: int = 200,
        part: int = 0,
        last: bool = True,
        completion: Literal["complete", "client_abort", "upstream_abort"] = "complete",
        source: Literal["upstream", "cache"] = "upstream",
        test_mode: bool = False,
        grpc_status: int | None = None,
        attempts: int = 1,
        method: str = "GET",
        path: str = "/",
    ) -> tuple[int, int]:
        """Append an event; ids are 16 bytes. Returns its offset and its time.

        It can be read some 50 ms later, or once the writer is closed. Waits up to 10 s for room.

        Raises:
            UsageLogError: there is no room, or the writer is closed.
        """

    def close(self) -> None:
        """End the epoch: all of it can be read from now on."""

    def abandon(self) -> None:
        """Leave the epoch as a process leaves it that is killed."""
