"""Metering as a running thing: the worker's loop, and draining the log up to an instant."""

from __future__ import annotations

import threading
import time
from datetime import datetime, timedelta

import structlog

from tollway.app.going_on import told
from tollway.kernel.clock import Clock
from tollway.kernel.errors import Conflict, InvalidInput
from tollway.kernel.instants import format_instant
from tollway.metering.intake import Intake, Step
from tollway.metering.models import FaultKind, NodeState
from tollway.metering.ports import UsageStorage

__all__ = ["MeteringWorker"]

_SHORTEST_PAUSE, _LONGEST_PAUSE = 0.1, 10.0
_PAUSE_FACTOR = 40
"""How much longer the worker rests than it worked. What it stores costs by the keys used since, hardly by
their calls, so under a load of very many keys it looks seldom. A usual load costs milliseconds and shows at
once."""
_FAULT_SECONDS = 1.0
_DRAIN_POLL_SECONDS = 0.02
_PATIENCE = timedelta(seconds=10)
_SHORT_PATIENCE = timedelta(seconds=3)
"""Of a command that shows usage; a node that is gone would hold each of them up."""
_FIRST_BATCH, _SMALLEST_BATCH, _LARGEST_BATCH = 512_000, 16_000, 4_096_000
"""In events. More of them share a record, so large batches are cheap; the number of groups bounds memory."""
_BATCH_SECONDS = 3.0
"""A batch shouldn't take longer: others wait for the write lock, and a crash repeats it."""

log = structlog.get_logger()


class MeteringWorker:
    """Meters the usage log batch by batch; any number may run at once without doubling anything."""

    def __init__(self, intake: Intake, storage: UsageStorage, clock: Clock) -> None:
        self._intake = intake
        self._storage = storage
        self._clock = clock
        self._max_events = _FIRST_BATCH

    def run_once(self, *, store_watermarks: bool = False) -> Step:
        """Meter one batch, and say what was found on the way."""
        began = time.monotonic()
        step = self._intake.step(self._max_events, store_watermarks=store_watermarks)
        self._adapt(time.monotonic() - began, full=not step.caught_up and step.events > 0)
        _report(step)
        return step

    def run_forever(self, stop: threading.Event) -> None:
        """Meter until `stop` is set. What fails is said and tried again: usage waits in the log meanwhile.

        Between two sweeps it rests in proportion to what the last one cost: `_PAUSE_FACTOR`.
        """
        worked = 0.0
        while not stop.is_set():
            pause = _FAULT_SECONDS
            with told("metering failed; trying again"):
                began = time.thread_time()
                caught_up = self.run_once().caught_up
                worked += time.thread_time() - began
                pause = 0.0
                if caught_up:
                    pause = min(max(_PAUSE_FACTOR * worked, _SHORTEST_PAUSE), _LONGEST_PAUSE)
                    worked = 0.0
            stop.wait(pause)

    def catch_up(self) -> None:
        """Meter everything that is readable now; what was served a moment ago may not be."""
        while not self.run_once().caught_up:
            pass

    def drain(self, until: datetime, timeout: timedelta = _PATIENCE) -> None:
        """Meter until the usage of every node that isn't retired is complete before `until`.

        Raises:
            InvalidInput: `until` is ahead of now: its usage has not happened yet.
            Conflict: a node has not got there within `timeout`; names it and says what to do.
        """
        if until > self._clock.now():
            raise InvalidInput(
                "until",
                f"{format_instant(until)} is ahead of now",
                "usage is complete only up to the present",
            )
        lagging = self._lagging(until, timeout)
        if lagging:
            raise Conflict(_not_drained(lagging, until))

    def settle(self, timeout: timedelta = _SHORT_PATIENCE) -> None:
        """Meter what has been served by now; say it if a node doesn't get there within `timeout`."""
        now = self._clock.now()
        for node in self._lagging(now, timeout):
            log.warning(
                "usage may be missing: a node is not metered up to now",
                node=node.node,
                complete_until=None if node.watermark is None else format_instant(node.watermark),
            )

    def _lagging(self, until: datetime, timeout: timedelta) -> list[NodeState]:
        """Meter until the usage before `until` is complete; return the nodes where it isn't in time."""
        give_up = time.monotonic() + timeout.total_seconds()
        while True:
            while not self.run_once(store_watermarks=True).caught_up:
                pass
            with self._storage.read() as store:
                lagging = [node for node in store.nodes() if node.lags(until)]
            if not lagging or time.monotonic() > give_up:
                return lagging
            time.sleep(_DRAIN_POLL_SECONDS)

    def _adapt(self, seconds: float, *, full: bool) -> None:
        if seconds > _BATCH_SECONDS:
            self._max_events = max(_SMALLEST_BATCH, self._max_events // 2)
        elif full and seconds < _BATCH_SECONDS / 3:
            self._max_events = min(_LARGEST_BATCH, self._max_events * 2)


def _report(step: Step) -> None:
    for node in step.registered:
        log.info("a gateway node was met; invoices wait for its usage from now on", node=node)
    for node in step.reinstated:
        log.error("a retired node is running; invoices wait for its usage again", node=node)
    for fault in step.alarms:
        say = log.warning if fault.kind is FaultKind.HOLE else log.error
        say(_FAULT_TEXTS[fault.kind], shard=str(fault.shard), start=fault.start, end=fault.end)


_FAULT_TEXTS = {
    FaultKind.HOLE: "usage log: an event was begun and never finished (its gateway died); nothing was lost",
    FaultKind.QUARANTINED: "usage log: a damaged stretch was not metered; what follows it is",
    FaultKind.BEYOND_END: "usage log: shorter than what was metered of it; this shard is stopped. "
    "Restore the log, or retire the node (tollway node retire)",
}


def _not_drained(lagging: list[NodeState], until: datetime) -> str:
    nodes = "; ".join(
        f"node {node.node} is complete "
        + ("to no instant yet" if node.watermark is None else f"only up to {format_instant(node.watermark)}")
        for node in lagging
    )
    return (
        f"usage before {format_instant(until)} is not complete: {nodes}. Wait for it, or if a node is "
        "gone for good: tollway node retire NODE --reason TEXT"
    )
