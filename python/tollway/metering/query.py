"""Usage queries: usage records for whole quarters of an hour, the log itself for the rest."""

from __future__ import annotations

import heapq
from collections import Counter as Tally
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from decimal import Decimal
from itertools import groupby
from typing import NamedTuple
from uuid import UUID

from tollway.kernel.errors import NotFound
from tollway.kernel.instants import from_micros, to_micros
from tollway.metering.counting import Counter
from tollway.metering.external import EXTERNAL, UNITS, UNITS_METER, ExternalEvent
from tollway.metering.models import (
    BUCKET_MICROS,
    ConsumerQuantity,
    CursorVector,
    NodeState,
    Quantity,
    ShardId,
    UsageEvent,
    UsageReading,
    UsageRecord,
    bucket_of,
)
from tollway.metering.ports import (
    EventSelection,
    MeterSource,
    UsageLog,
    UsageSpan,
    UsageStorage,
    UsageStore,
)

__all__ = ["StoredUsage"]


class _Span(NamedTuple):
    """A half-open range in µs since 1970; None is open."""

    start: int | None
    end: int | None


class StoredUsage:
    """Answers `tollway.metering.ports.UsageQuery` from what has been metered."""

    def __init__(self, log: UsageLog, storage: UsageStorage, meters: MeterSource) -> None:
        self._log = log
        self._storage = storage
        self._meters = meters

    def quantities(
        self,
        *,
        start: datetime | None = None,
        end: datetime | None = None,
        customer: UUID | None = None,
        phase: UUID | None = None,
    ) -> UsageReading:
        """See `UsageQuery.quantities`."""
        return self.readings([UsageSpan(customer=customer, phase=phase, start=start, end=end)])[0]

    def readings(self, spans: Sequence[UsageSpan]) -> Sequence[UsageReading]:
        """See `UsageQuery.readings`."""
        with self._storage.read() as store:
            cursors, nodes = store.cursors(), tuple(store.nodes())
            position = store.external_position()
            records = [
                list(
                    self._records(
                        store,
                        cursors,
                        EventSelection(
                            customer=span.customer, phase=span.phase, start=span.start, end=span.end
                        ),
                    )
                )
                for span in spans
            ]
        names = self._names()
        seen = CursorVector({**cursors.offsets, EXTERNAL: position}) if position else cursors
        return [UsageReading(_quantities(found, names), seen, nodes) for found in records]

    def by_consumer(
        self, *, start: datetime | None = None, end: datetime | None = None, consumer: UUID | None = None
    ) -> Sequence[ConsumerQuantity]:
        """See `UsageQuery.by_consumer`."""
        with self._storage.read() as store:
            selection = EventSelection(start=start, end=end, consumer=consumer)
            records = list(self._records(store, store.cursors(), selection))
        sums: Tally[tuple[bytes, str]] = Tally()
        names = self._names()
        for record in records:
            sums[record.consumer, names[record.meter]] += record.quantity
        return [
            ConsumerQuantity(_identifier(consumer_), meter, Decimal(quantity))
            for (consumer_, meter), quantity in sorted(sums.items())
        ]

    def events(self, selection: EventSelection) -> Iterator[UsageEvent]:
        """See `UsageQuery.events`."""
        meters = self._meters.meters()
        if selection.meter is not None:
            meters = [meter for meter in meters if meter.name == selection.meter]
            if not meters and selection.meter != UNITS:
                raise NotFound("meter", selection.meter)
        with self._storage.read() as store:
            cursors = store.cursors()
        counter = Counter(meters)
        start = _of_log(selection.after or CursorVector())
        end = _lower(cursors, selection.up_to)
        for _, shards in groupby(sorted(end), key=_epoch_of):
            parts = [
                self._log.events(start, CursorVector({shard: end[shard]}), selection) for shard in shards
            ]
            for event in heapq.merge(*parts, key=_time_of):
                if selection.meter is None or counter.takes(event):
                    yield event

    def external_events(self, selection: EventSelection) -> Iterator[ExternalEvent]:
        """See `UsageQuery.external_events`."""
        if selection.meter in {None, UNITS}:
            with self._storage.read() as store:
                yield from store.external_events(selection)

    def nodes(self) -> Sequence[NodeState]:
        """See `UsageQuery.nodes`."""
        with self._storage.read() as store:
            return store.nodes()

    def _names(self) -> dict[bytes, str]:
        """Return the name behind each meter's id; a meter that was changed has several ids."""
        names = {meter.id.bytes: meter.name for meter in self._meters.meters()}
        return {**names, UNITS_METER.bytes: UNITS}

    def _records(
        self, store: UsageStore, cursors: CursorVector, selection: EventSelection
    ) -> Iterator[UsageRecord]:
        """Yield records that add up to the usage in the selected range, both from one view of the store."""
        whole, edges = _split(selection.start, selection.end)

        def stored(span: _Span) -> Sequence[UsageRecord]:
            return store.totals(
                start=span.start,
                end=span.end,
                customer=selection.customer,
                consumer=selection.consumer,
                phase=selection.phase,
            )

        if whole is not None:
            yield from stored(whole)
        for start, end in edges:
            # Most quarters of an hour hold nothing of one customer: then the log needn't be read.
            if stored(_Span(bucket_of(start), bucket_of(start) + BUCKET_MICROS)):
                part = replace(selection, start=from_micros(start), end=from_micros(end))
                yield from Counter(self._meters.meters()).records_of(
                    self._log.events(CursorVector(), cursors, part)
                )
                yield from store.external_totals(part)


def _quantities(records: Iterable[UsageRecord], names: Mapping[bytes, str]) -> tuple[Quantity, ...]:
    sums: Tally[tuple[bytes, bytes, str]] = Tally()
    for record in records:
        sums[record.customer, record.phase, names[record.meter]] += record.quantity
    return tuple(
        Quantity(_identifier(customer), _identifier(phase), meter, Decimal(quantity))
        for (customer, phase, meter), quantity in sorted(sums.items())
    )


def _split(start: datetime | None, end: datetime | None) -> tuple[_Span | None, list[tuple[int, int]]]:
    """Split `[start, end)` into whole buckets and at most two parts of one bucket each.

    >>> from datetime import UTC, datetime, timedelta
    >>> day = datetime(1970, 1, 1, tzinfo=UTC)
    >>> _split(day + timedelta(minutes=20), day + timedelta(minutes=46))
    (_Span(start=1800000000, end=2700000000), [(1200000000, 1800000000), (2700000000, 2760000000)])
    """
    first = None if start is None else to_micros(start)
    last = None if end is None else to_micros(end)
    if first is not None and last is not None and first >= last:
        return None, []
    edges: list[tuple[int, int]] = []
    if first is not None and bucket_of(first) != first:
        until = bucket_of(first) + BUCKET_MICROS
        edges.append((first, until if last is None else min(until, last)))
        first = until
    if last is not None and bucket_of(last) != last and (first is None or bucket_of(last) >= first):
        edges.append((bucket_of(last), last))
        last = bucket_of(last)
    empty = first is not None and last is not None and first >= last
    return (None if empty else _Span(first, last)), edges


def _lower(cursors: CursorVector, bound: CursorVector | None) -> CursorVector:
    if bound is None:
        return cursors
    return CursorVector({shard: min(cursors[shard], bound[shard]) for shard in cursors})


def _of_log(cursors: CursorVector) -> CursorVector:
    return CursorVector({shard: cursors[shard] for shard in cursors if shard != EXTERNAL})


def _epoch_of(shard: ShardId) -> tuple[str, int]:
    return shard.node, shard.epoch


def _time_of(event: UsageEvent) -> datetime:
    return event.time


def _identifier(raw: bytes) -> UUID | None:
    return UUID(bytes=raw) if any(raw) else None
