"""From the usage log to usage records, a batch at a time, each in one transaction with the cursor.

The order of steps is what makes the count exact:

1. the cursors are read before the marks, so a cursor above its mark means a lost log and nothing else;
2. the meters are read after the marks: every event below a mark was synced before, so a meter that
   comes into effect later can't concern it, and one that came into effect earlier is seen;
3. records, activity, cursors and watermarks are written together, and only if the cursors still stand
   where they were read.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from itertools import groupby

from tollway.kernel.clock import Clock
from tollway.kernel.failpoint import failpoint
from tollway.metering.counting import Counter, cuts_of
from tollway.metering.errors import CursorMoved
from tollway.metering.meters import Meter
from tollway.metering.models import (
    CursorVector,
    FaultKind,
    LogFault,
    LogView,
    NodeAct,
    NodeState,
    ShardState,
)
from tollway.metering.ports import MeterSource, UsageLog, UsageStorage

__all__ = ["Intake", "Step"]

_WATERMARK_STEP = timedelta(seconds=1)
"""While nothing is served, watermarks are stored no more often than this: each costs a sync."""


@dataclass(frozen=True, slots=True)
class Step:
    """What one step did. `caught_up`: everything was metered that was readable when the sweep began."""

    events: int
    caught_up: bool
    alarms: tuple[LogFault, ...] = ()
    """Faults that this process had not met before."""
    registered: tuple[str, ...] = ()
    reinstated: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class _Sweep:
    """One pass over everything that was readable when it began."""

    cursors: CursorVector
    end: CursorVector
    cuts: Sequence[datetime]
    counter: Counter
    watermarks: Mapping[str, datetime]
    """What holds once `end` is reached."""
    nodes: Mapping[str, NodeState]
    stopped: tuple[LogFault, ...]


class Intake:
    """Meters the usage log. Any number may run at once: of two that meter the same, one has to yield."""

    def __init__(self, log: UsageLog, storage: UsageStorage, meters: MeterSource, clock: Clock) -> None:
        self._log = log
        self._storage = storage
        self._meters = meters
        self._clock = clock
        self._sweep: _Sweep | None = None
        self._counted_by: tuple[Sequence[Meter], Counter] = ((), Counter(()))
        self._alarmed: set[LogFault] = set()

    def step(self, max_events: int, *, store_watermarks: bool = False) -> Step:
        """Meter one batch of about `max_events`.

        `store_watermarks` stores them even if they alone have moved, and only a little.

        Raises:
            LogUnreadable: the log can't be read; nothing was stored.
        """
        registered: tuple[str, ...] = ()
        reinstated: tuple[str, ...] = ()
        if self._sweep is None:
            view = self._begin()
            registered, reinstated = self._meet_nodes(view)
        try:
            done = self._meter(max_events, store_watermarks=store_watermarks)
        except BaseException:
            self._sweep = None
            raise
        return Step(*done, registered=registered, reinstated=reinstated)

    def _begin(self) -> LogView:
        self._log.recover()
        with self._storage.read() as store:
            cursors = store.cursors()
            nodes = {node.node: node for node in store.nodes()}
        view = self._log.view()
        if any(state.readable > cursors[state.shard] for state in view.shards):
            meters = tuple(self._meters.meters())
            if meters != self._counted_by[0]:
                self._counted_by = (meters, Counter(meters))
        stopped = tuple(_beyond_end(cursors, view))
        unread = {fault.shard for fault in stopped}
        self._sweep = _Sweep(
            cursors=cursors,
            end=CursorVector(
                {state.shard: state.readable for state in view.shards if state.shard not in unread}
            ),
            cuts=cuts_of(self._counted_by[0]),
            counter=self._counted_by[1],
            watermarks=_watermarks(view, {shard.node for shard in unread}),
            nodes=nodes,
            stopped=stopped,
        )
        return view

    def _meet_nodes(self, view: LogView) -> tuple[tuple[str, ...], tuple[str, ...]]:
        """Register nodes that are new; wait again for a retired one whose gateway runs."""
        assert self._sweep is not None
        known = self._sweep.nodes
        seen = {state.shard.node for state in view.shards}
        alive = {state.shard.node for state in view.shards if not state.closed}
        new = tuple(sorted(seen - known.keys()))
        back = tuple(sorted(node for node in alive & known.keys() if known[node].retired_at is not None))
        if new or back:
            with self._storage.write() as store:
                for node in new:
                    store.register(node, view.as_of)
                for node in back:
                    reason = "its gateway was found running"
                    store.decide(NodeAct(node, "reinstate", "metering", reason, self._clock.now()))
        return new, back

    def _meter(self, max_events: int, *, store_watermarks: bool) -> tuple[int, bool, tuple[LogFault, ...]]:
        sweep = self._sweep
        assert sweep is not None
        batch = self._log.aggregate(sweep.cursors, sweep.end, sweep.cuts, max_events)
        moved = {
            shard: batch.after[shard] for shard in batch.after if batch.after[shard] != sweep.cursors[shard]
        }
        records = sweep.counter.records(batch.groups)
        watermarks = sweep.watermarks if batch.done else {}
        faults = (*batch.faults, *sweep.stopped)
        alarms = tuple(fault for fault in faults if fault not in self._alarmed)
        if moved or alarms or self._worth_storing(watermarks, exact=store_watermarks):
            try:
                with self._storage.write() as store:
                    store.move_cursors(sweep.cursors, CursorVector(moved))
                    store.add_records(records)
                    store.add_activity(batch.activity)
                    store.add_faults(alarms, self._clock.now())
                    store.set_watermarks(watermarks)
                    failpoint("metering.before_commit")
            except CursorMoved:
                # The other worker's count stands; this one looks again from where it left off.
                self._sweep = None
                return 0, False, ()
            failpoint("metering.after_commit")
        self._alarmed.update(alarms)
        cursors = CursorVector({**sweep.cursors.offsets, **moved})
        self._sweep = None if batch.done else replace(sweep, cursors=cursors)
        return batch.events, batch.done, alarms

    def _worth_storing(self, watermarks: Mapping[str, datetime], *, exact: bool) -> bool:
        assert self._sweep is not None
        step = timedelta(0) if exact else _WATERMARK_STEP
        nodes = self._sweep.nodes
        stored = {name: nodes[name].watermark if name in nodes else None for name in watermarks}
        return any(
            before is None or (at != before and at - before >= step)
            for at, before in ((at, stored[name]) for name, at in watermarks.items())
        )


def _beyond_end(cursors: CursorVector, view: LogView) -> Iterable[LogFault]:
    """Yield the shards whose log is shorter than what was metered of it, or gone."""
    readable = {state.shard: state.readable for state in view.shards}
    for shard in sorted(cursors):
        if cursors[shard] > readable.get(shard, 0):
            yield LogFault(shard, FaultKind.BEYOND_END, cursors[shard], readable.get(shard, 0))


def _watermarks(view: LogView, faulty: set[str]) -> dict[str, datetime]:
    """Return, for each node whose whole log can be read, the instant before which nothing will be missing.

    The open shards' marks say it. A node without any is down: what it may yet write, after its next
    start, will be later than this look.
    """
    found: dict[str, datetime] = {}
    for node, states in groupby(view.shards, key=_node_of):
        if node not in faulty:
            found[node] = min((state.synced_at for state in states if not state.closed), default=view.as_of)
    return found


def _node_of(state: ShardState) -> str:
    return state.shard.node
