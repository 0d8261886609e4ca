"""The usage log as metering wants to read it: `tollway.metering.ports.UsageLog` over the native reader."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from uuid import UUID

from tollway import _native
from tollway.kernel.instants import from_micros, to_micros
from tollway.metering.activity import ActivityRecord
from tollway.metering.errors import LogUnreadable
from tollway.metering.models import (
    Batch,
    CursorVector,
    FaultKind,
    Group,
    LogFault,
    LogView,
    ShardId,
    ShardState,
    UsageEvent,
)
from tollway.metering.ports import EventSelection

__all__ = ["NativeUsageLog"]


class NativeUsageLog:
    """Reads the logs of every gateway node under a directory, in place."""

    def __init__(self, directory: Path) -> None:
        self._reader = _native.UsageReader(str(directory))

    def recover(self) -> None:
        """See `UsageLog.recover`."""
        with _readable():
            self._reader.recover()

    def view(self) -> LogView:
        """See `UsageLog.view`."""
        with _readable():
            view = self._reader.view()
        return LogView(
            as_of=from_micros(view.as_of_us),
            shards=tuple(
                ShardState(
                    shard=ShardId(state.node, state.epoch, state.shard),
                    readable=state.readable,
                    synced_at=from_micros(state.synced_us),
                    closed=state.closed,
                )
                for state in view.shards
            ),
        )

    def aggregate(
        self, start: CursorVector, end: CursorVector, cuts: Sequence[datetime], max_events: int
    ) -> Batch:
        """See `UsageLog.aggregate`."""
        with _readable():
            batch = self._reader.aggregate(
                _cursors(start), _cursors(end), [to_micros(cut) for cut in cuts], max_events
            )
        return Batch(
            groups=_Groups(batch),
            activity=list(map(ActivityRecord._make, batch.activity)),
            after=CursorVector(
                {ShardId(node, epoch, shard): offset for node, epoch, shard, offset in batch.after}
            ),
            faults=tuple(
                LogFault(ShardId(node, epoch, shard), FaultKind(kind), first, last)
                for node, epoch, shard, kind, first, last in batch.faults
            ),
            events=batch.events,
            done=batch.done,
        )

    def events(
        self, start: CursorVector, end: CursorVector, selection: EventSelection
    ) -> Iterator[UsageEvent]:
        """See `UsageLog.events`."""
        with _readable():
            found = self._reader.events(
                _cursors(start),
                _cursors(end),
                customer=None if selection.customer is None else selection.customer.bytes,
                consumer=None if selection.consumer is None else selection.consumer.bytes,
                phase=None if selection.phase is None else selection.phase.bytes,
                from_us=None if selection.start is None else to_micros(selection.start),
                to_us=None if selection.end is None else to_micros(selection.end),
            )
            yield from map(_event, found)


@dataclass(frozen=True, slots=True)
class _Groups:
    """A batch's groups, made when they are asked for: where nothing is metered, nobody does."""

    batch: _native.UsageBatch

    def __iter__(self) -> Iterator[Group]:
        return map(Group._make, self.batch.groups)


@contextmanager
def _readable() -> Iterator[None]:
    try:
        yield
    except _native.UsageLogError as error:
        raise LogUnreadable(str(error)) from error


def _cursors(vector: CursorVector) -> list[_native.Cursor]:
    return [(*shard, vector[shard]) for shard in vector]


def _event(event: _native.LogEvent) -> UsageEvent:
    return UsageEvent(
        shard=ShardId(event.node, event.epoch, event.shard),
        offset=event.offset,
        request_id=event.request_id,
        time=from_micros(event.time_us),
        duration=timedelta(microseconds=event.duration_us),
        upstream_wait=timedelta(microseconds=event.upstream_us),
        consumer=_identifier(event.consumer),
        credential=_identifier(event.credential),
        customer=_identifier(event.customer),
        phase=_identifier(event.phase),
        route=_identifier(event.route),
        service=_identifier(event.service),
        config_version=event.config_version,
        bytes_in=event.bytes_in,
        bytes_out=event.bytes_out,
        units=event.units,
        part=event.part,
        last=event.last,
        completion=event.completion,
        source=event.source,
        test_mode=event.test_mode,
        status=event.status,
        grpc_status=event.grpc_status,
        attempts=event.attempts,
        method=event.method,
        path=event.path,
    )


def _identifier(raw: bytes) -> UUID | None:
    return UUID(bytes=raw) if any(raw) else None
