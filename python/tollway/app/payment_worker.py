"""Payments as a running thing: notices are followed, final invoices collected, open attempts looked after."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterable
from uuid import UUID

from tollway.app.going_on import told
from tollway.app.notices import Notices
from tollway.app.payments import Payments
from tollway.kernel.clock import Clock
from tollway.storage.commerce import Commerce
from tollway.storage.database import Database

__all__ = ["PaymentWorker"]

_SECONDS = 1.0
_SHARE = 10
_TOGETHER = 20
_FAILED = "a payment failed; trying again"


class PaymentWorker:
    """Does by itself what `tollway payment collect` does when asked."""

    def __init__(self, main: Database, payments: Payments, clock: Clock) -> None:
        self._main = main
        self._payments = payments
        self._clock = clock
        self._notices = Notices(main, payments, clock)

    def collect_forever(self, stop: threading.Event) -> None:
        """Work until `stop` is set, ending after the payment in hand."""
        pause = _SECONDS
        while not stop.wait(pause):
            began, done = time.monotonic(), 0
            with told(_FAILED, what="payments"):
                done = self.work(stop)
            # Where there is much to look through in vain, it is looked through less often. What took long
            # because a provider did is no reason to let the next invoices wait.
            pause = _SECONDS if done else max(_SECONDS, _SHARE * (time.monotonic() - began))

    def work(self, stop: threading.Event | None = None) -> int:
        """Do what there is to do now; return how many invoices were collected or looked after.

        Live final invoices are due at once. One that was declined waits for its customer, or for the
        operator: there is no second attempt by itself.
        """
        self._notices.work()
        with self._main.read() as connection:
            payments = Commerce(connection, self._clock).payments
            open_ = payments.due(self._clock.now(), _TOGETHER)
            new = payments.uncollected(self._payments.provider.name, _TOGETHER)
        return self._each(open_, self._payments.reconcile, stop) + self._each(
            new, self._payments.collecting.collect, stop
        )

    def _each(
        self, ids: Iterable[UUID], action: Callable[[UUID], object], stop: threading.Event | None
    ) -> int:
        done = 0
        for id_ in ids:
            if stop is not None and stop.is_set():
                break
            # One that fails must not keep the others waiting.
            with told(_FAILED, what=str(id_)):
                action(id_)
                done += 1
        return done
