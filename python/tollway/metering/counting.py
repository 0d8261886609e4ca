"""From groups of events to usage records: which meters take a group, and how much of it.

A batch has few different kinds of answers and many consumers, so what a meter says of a kind
(status, method, route…) is worked out once and remembered.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Sequence
from datetime import datetime
from operator import attrgetter
from typing import NamedTuple
from uuid import UUID

from tollway.kernel.instants import to_micros
from tollway.metering.meters import Dimension, Meter
from tollway.metering.models import Completion, Group, Source, UsageEvent, UsageRecord, bucket_of

__all__ = ["Counter", "cuts_of"]


def cuts_of(meters: Iterable[Meter]) -> list[datetime]:
    """Return the instants at which some meter begins or ends: no group may span one of them."""
    instants = {meter.effective_from for meter in meters}
    instants.update(meter.effective_until for meter in meters if meter.effective_until is not None)
    return sorted(instants)


class _Kind(NamedTuple):
    """All that a filter may look at."""

    status: int
    grpc_status: int | None
    method: str
    route: bytes
    service: bytes
    completion: Completion
    source: Source


class _Taken(NamedTuple):
    """A meter that takes a kind of answer."""

    meter: bytes
    begins: int
    ends: int | None
    quantity: Callable[[Group], int]
    dimensions: str

    def applies(self, group: Group) -> bool:
        # The later parts of a long exchange are no exchanges of their own.
        counts = self.quantity is not _REQUESTS or group.requests > 0
        return counts and self.begins <= group.start and (self.ends is None or group.start < self.ends)


_REQUESTS: Callable[[Group], int] = attrgetter("requests")
_Key = tuple[int, bytes, bytes, bytes, bytes, bool, str]


class Counter:
    """Counts groups and single events by the same rules, so that the two always agree."""

    def __init__(self, meters: Sequence[Meter]) -> None:
        self._meters = tuple(meters)
        self._taken_by: dict[_Kind, tuple[_Taken, ...]] = {}

    def records(self, groups: Iterable[Group]) -> list[UsageRecord]:
        """Return the usage records that `groups` amount to, one for each key."""
        if not self._meters:
            return []
        totals: dict[_Key, tuple[int, int]] = {}
        for group in groups:
            for taken in self._taken(_kind_of(group)):
                if not taken.applies(group):
                    continue
                quantity = taken.quantity(group)
                key = (
                    bucket_of(group.start),
                    group.customer,
                    group.consumer,
                    group.phase,
                    taken.meter,
                    group.test_mode,
                    taken.dimensions,
                )
                before = totals.get(key)
                totals[key] = (
                    (quantity, group.events)
                    if before is None
                    else (before[0] + quantity, before[1] + group.events)
                )
        return [UsageRecord(*key, quantity, events) for key, (quantity, events) in totals.items()]

    def records_of(self, events: Iterable[UsageEvent]) -> list[UsageRecord]:
        """Return the usage records that single events amount to."""
        return self.records(map(_group_of, events))

    def takes(self, event: UsageEvent) -> bool:
        """Whether `event` is among what some meter added up."""
        group = _group_of(event)
        return any(taken.applies(group) for taken in self._taken(_kind_of(group)))

    def _taken(self, kind: _Kind) -> tuple[_Taken, ...]:
        taken = self._taken_by.get(kind)
        if taken is None:
            taken = tuple(_take(meter, kind) for meter in self._meters if _matches(meter, kind))
            self._taken_by[kind] = taken
        return taken


def _kind_of(group: Group) -> _Kind:
    return _Kind(
        group.status,
        group.grpc_status,
        group.method,
        group.route,
        group.service,
        group.completion,
        group.source,
    )


def _take(meter: Meter, kind: _Kind) -> _Taken:
    values = {
        Dimension.ROUTE: lambda: str(UUID(bytes=kind.route)),
        Dimension.SERVICE: lambda: str(UUID(bytes=kind.service)),
        Dimension.METHOD: lambda: kind.method,
        Dimension.STATUS: lambda: str(kind.status),
    }
    dimensions = {str(name): values[name]() for name in sorted(meter.dimensions)}
    return _Taken(
        meter=meter.id.bytes,
        begins=to_micros(meter.effective_from),
        ends=None if meter.effective_until is None else to_micros(meter.effective_until),
        quantity=_REQUESTS if meter.summed is None else attrgetter(meter.summed.value),
        dimensions=json.dumps(dimensions, separators=(",", ":")),
    )


def _matches(meter: Meter, kind: _Kind) -> bool:
    wanted = meter.filter
    return (
        (kind.completion == "complete" or meter.takes_broken_off)
        # A gRPC call that failed answers 200 all the same.
        and kind.grpc_status in {None, 0}
        and (
            wanted.statuses is None
            or str(kind.status) in wanted.statuses
            or f"{kind.status // 100}xx" in wanted.statuses
        )
        and (wanted.methods is None or kind.method in wanted.methods)
        and (wanted.routes is None or UUID(bytes=kind.route) in wanted.routes)
        and (wanted.services is None or UUID(bytes=kind.service) in wanted.services)
        and (wanted.sources is None or kind.source in wanted.sources)
    )


def _raw(identifier: UUID | None) -> bytes:
    return bytes(16) if identifier is None else identifier.bytes


def _group_of(event: UsageEvent) -> Group:
    return Group(
        start=to_micros(event.time),
        customer=_raw(event.customer),
        consumer=_raw(event.consumer),
        credential=_raw(event.credential),
        phase=_raw(event.phase),
        test_mode=event.test_mode,
        route=_raw(event.route),
        service=_raw(event.service),
        status=event.status,
        grpc_status=event.grpc_status,
        method=event.method,
        completion=event.completion,
        source=event.source,
        events=1,
        requests=int(event.part == 0),
        units=event.units,
        bytes_in=event.bytes_in,
        bytes_out=event.bytes_out,
        last=to_micros(event.time),
    )
