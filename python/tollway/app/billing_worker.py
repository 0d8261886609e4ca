"""Billing as a running thing: waiting changes take effect, and periods close by themselves."""

from __future__ import annotations

import threading
from datetime import timedelta
from uuid import UUID

import structlog

from tollway.app.going_on import told
from tollway.app.invoicing import Billed, Invoicing
from tollway.app.subscriptions import Subscribing
from tollway.kernel.clock import Clock

__all__ = ["BillingWorker"]

_SETTLE_SECONDS = 0.5
"""How late a change at a period's end may reach the gateway; until then, usage is charged by the old plan."""
_CLOSE_SECONDS = 60.0

log = structlog.get_logger()


class BillingWorker:
    """Does by itself what `tollway invoice run` does when asked, `grace` after each period's end.

    `invoicing` must not wait for metering, which goes on in the same process: what isn't complete is left as
    a draft and finished at the next look.
    """

    def __init__(
        self, subscribing: Subscribing, invoicing: Invoicing, *, clock: Clock, grace: timedelta
    ) -> None:
        self._subscribing = subscribing
        self._invoicing = invoicing
        self._clock = clock
        self._grace = grace
        self._told: dict[UUID, str] = {}

    def settle_forever(self, stop: threading.Event) -> None:
        """Let waiting changes happen until `stop` is set, in a thread of its own: closing may take long."""
        while not stop.wait(_SETTLE_SECONDS):
            with told("billing failed; trying again"):
                self.settle()

    def close_forever(self, stop: threading.Event) -> None:
        """Close periods until `stop` is set."""
        pause = _SETTLE_SECONDS
        while not stop.wait(pause):
            pause = _CLOSE_SECONDS
            with told("billing failed; trying again"):
                self.close(stop)

    def settle(self) -> None:
        """Let what was to happen by now happen."""
        moved = self._subscribing.settle(self._clock.now())
        if moved:
            log.info("subscriptions went over to what follows", count=moved)

    def close(self, stop: threading.Event) -> None:
        """Close the periods that ended before the grace time; ends early once `stop` is set."""
        until = self._clock.now() - self._grace
        for billed in self._invoicing.run(until, mode=None, wait=timedelta(0), ended=False):
            self._tell(billed)
            if stop.is_set():
                return

    def _tell(self, billed: Billed) -> None:
        invoice = billed.invoice
        if billed.reason is None:
            self._told.pop(invoice.id, None)
            log.info("invoice", number=invoice.number, consumer=billed.consumer)
        elif self._told.get(invoice.id) != billed.reason:
            # Once for each reason, not once a minute.
            self._told[invoice.id] = billed.reason
            log.warning("invoice left as a draft", consumer=billed.consumer, reason=billed.reason)
