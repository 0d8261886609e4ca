"""Payments as a running thing: notices are followed, final invoices collected, open attempts looked after."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from uuid import UUID

import structlog
from sqlalchemy.exc import SQLAlchemyError

from tollway.app.notices import Notices
from tollway.app.payments import Payments
from tollway.kernel.clock import Clock
from tollway.kernel.errors import TollwayError
from tollway.storage.commerce import Commerce
from tollway.storage.database import Database

__all__ = ["PaymentWorker"]

_SECONDS = 1.0
_SHARE = 10
_TOGETHER = 20

log = structlog.get_logger()


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
            began = time.monotonic()
            with _told("payments"):
                self.work(stop)
            # Where there is much to look through, it is looked through less often.
            pause = max(_SECONDS, _SHARE * (time.monotonic() - began))

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
            with _told(str(id_)):
                action(id_)
                done += 1
        return done


@contextmanager
def _told(what: str) -> Iterator[None]:
    """What fails is said; it is tried again at the next look."""
    try:
        yield
    except (TollwayError, SQLAlchemyError, TimeoutError) as error:
        log.error("a payment failed; trying again", what=what, error=str(error))  # noqa: TRY400  # one line
