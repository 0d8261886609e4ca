"""Taking usage in from a message queue: the worker's loop over batches.

A batch is stored, then acknowledged, then noted as acknowledged; `tollway.metering.redelivery` says why that
counts each message once wherever this process dies.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from contextlib import AbstractContextManager

import structlog

from tollway.app.external_usage import ExternalUsage, Message, Taken
from tollway.app.going_on import EXPECTED
from tollway.kernel.clock import Clock
from tollway.kernel.errors import InvalidInput
from tollway.kernel.failpoint import failpoint
from tollway.metering.ports import Delivery, ExternalStorage, QueueSession
from tollway.metering.redelivery import Deliveries, fingerprint
from tollway.metering.reports import read_message

__all__ = ["USAGE_QUEUE", "BusIntake"]

USAGE_QUEUE = "api_usage_logs"

_BATCH = 500
"""Messages. It is the bound of what a crash of the broker may cost or double."""
_IDLE_SECONDS = 0.05
_FIRST_PAUSE, _LONGEST_PAUSE = 0.1, 10.0

log = structlog.get_logger()


class BusIntake:
    """Takes in what comes by `queue`; `connect` begins a session with the broker."""

    def __init__(
        self,
        connect: Callable[[], AbstractContextManager[QueueSession]],
        external: ExternalUsage,
        storage: ExternalStorage,
        clock: Clock,
        queue: str = USAGE_QUEUE,
    ) -> None:
        self._connect = connect
        self._external = external
        self._storage = storage
        self._clock = clock
        self._queue = queue
        self._state = Deliveries.none()

    def take_forever(self, stop: threading.Event) -> None:
        """Take in until `stop` is set. What fails is said once and tried again: usage waits in the queue."""
        pause, told = _FIRST_PAUSE, ""
        while not stop.is_set():
            try:
                with self._connect() as session:
                    log.info("usage is taken in from the queue", queue=self._queue)
                    pause, told = _FIRST_PAUSE, ""
                    self._begin()
                    while not stop.is_set():
                        if not self.take_batch(session):
                            session.idle(_IDLE_SECONDS)
            except Exception as error:  # a thread that ends would take in nothing for good
                if repr(error) != told:
                    told = repr(error)
                    trace = None if isinstance(error, EXPECTED) else error
                    log.error(  # noqa: TRY400  # a traceback only where nobody expected it
                        "usage is not taken in; trying again",
                        queue=self._queue,
                        error=str(error),
                        exc_info=trace,
                    )
                stop.wait(pause)
                pause = min(_LONGEST_PAUSE, pause * 2)

    def take_all(self) -> None:
        """Take in what there is now."""
        with self._connect() as session:
            self._begin()
            while self.take_batch(session):
                pass

    def take_batch(self, session: QueueSession) -> bool:
        """Take in a batch; returns whether there was one."""
        batch, reached_end = self._get(session)
        if not batch:
            if self._state.awaits():
                # Nothing of what was in flight came again: so it had been acknowledged.
                self._note(Deliveries.none())
            return False
        messages, faulty = self._read(batch)
        marks = [
            (fingerprint(delivery.body, message.report.id), delivery.redelivered)
            for delivery, message in messages
        ]
        counts, state = self._state.take(marks, reached_end=reached_end)
        chosen = [message for (_, message), counted in zip(messages, counts, strict=True) if counted]
        taken = self._external.take_messages(
            chosen, self._queue, lambda store: store.set_deliveries(self._queue, state)
        )
        self._state = state
        failpoint("intake.stored")
        for delivery, reason in faulty:
            session.bury(delivery, reason)
        session.acknowledge()
        failpoint("intake.acknowledged")
        self._note(state.acknowledged())
        _report(taken, faulty)
        return True

    def _begin(self) -> None:
        with self._storage.read() as store:
            stored = store.deliveries(self._queue)
        self._state = stored.session_began()
        if self._state != stored:
            self._note(self._state)

    def _note(self, state: Deliveries) -> None:
        if state != self._state or state.in_flight:
            with self._storage.write() as store:
                store.set_deliveries(self._queue, state)
        self._state = state

    def _get(self, session: QueueSession) -> tuple[list[Delivery], bool]:
        batch: list[Delivery] = []
        while len(batch) < _BATCH:
            delivery = session.get()
            if delivery is None:
                return batch, True
            batch.append(delivery)
            failpoint("intake.got")
            if self._state.awaits() and not delivery.redelivered:
                break
        return batch, False

    def _read(
        self, batch: list[Delivery]
    ) -> tuple[list[tuple[Delivery, Message]], list[tuple[Delivery, str]]]:
        now = self._clock.now()
        messages: list[tuple[Delivery, Message]] = []
        faulty: list[tuple[Delivery, str]] = []
        for delivery in batch:
            if delivery.problem is not None:
                faulty.append((delivery, delivery.problem))
                continue
            try:
                report = read_message(
                    delivery.body, source=delivery.source, message_id=delivery.message_id, now=now
                )
            except InvalidInput as error:
                faulty.append((delivery, str(error)))
            else:
                messages.append((delivery, Message(report, delivery.body)))
        return messages, faulty


def _report(taken: Taken, faulty: list[tuple[Delivery, str]]) -> None:
    if taken.parked:
        log.warning("messages name no consumer; see tollway intake parked", count=taken.parked)
    if taken.duplicates:
        log.info("messages with an id that was stored before", count=taken.duplicates)
    if faulty:
        log.warning("messages went to the dead-letter queue", count=len(faulty), first=faulty[0][1])
