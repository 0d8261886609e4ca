"""Notices of providers: each kept once as it comes in, and worked on afterwards, in any order.

What a notice says is not believed beyond its name: the provider is asked how the thing stands now. So a
notice that is late, doubled or overtaken by another changes nothing that is right.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import timedelta

import structlog

from tollway.app.payments import Payments
from tollway.billing.payments.results import Notice, NoticeKind, PermanentFault, ProviderError
from tollway.kernel.clock import Clock
from tollway.kernel.errors import NotFound
from tollway.storage.commerce import Commerce
from tollway.storage.database import Database

__all__ = ["Notices"]

_TOGETHER = 50
_AGAIN = timedelta(seconds=30)

log = structlog.get_logger()


class Notices:
    """The inbox of the payment provider in use."""

    def __init__(self, main: Database, payments: Payments, clock: Clock) -> None:
        self._main = main
        self._payments = payments
        self._clock = clock

    def receive(self, source: str, body: bytes, headers: Mapping[str, str]) -> bool:
        """Check a notice and keep it; False if it was kept before.

        Raises:
            NotFound: `source` is not the provider in use.
            ForgedNotice: its signature is missing, wrong or too old.
        """
        provider = self._payments.provider
        if source != provider.name:
            raise NotFound("webhook source", source)
        now = self._clock.now()
        notice = provider.read_notice(body, headers)
        with self._main.write() as connection:
            return Commerce(connection, self._clock).inbox.put(source, notice, now)

    def work(self) -> int:
        """Work on what is waiting; return how many notices were done."""
        with self._main.read() as connection:
            waiting = Commerce(connection, self._clock).inbox.waiting(self._clock.now(), _TOGETHER)
        return sum(self._work_on(source, notice) for source, notice in waiting)

    def _work_on(self, source: str, notice: Notice) -> bool:
        problem = None
        try:
            if source == self._payments.provider.name and notice.reference is not None:
                self._follow(notice.kind, notice.reference)
        except PermanentFault as fault:
            # Asking again would be answered the same: it is about something that isn't there for us.
            log.warning("a webhook led nowhere", source=source, notice=notice.id, reason=str(fault))
        except ProviderError as fault:
            problem = str(fault)
        except Exception as fault:
            # One that can't be followed must not keep the others, and the payments behind them, waiting.
            problem = repr(fault)
            log.exception("a webhook can't be followed; trying again", source=source, notice=notice.id)
        now = self._clock.now()
        with self._main.write() as connection:
            inbox = Commerce(connection, self._clock).inbox
            if problem is None:
                inbox.done(source, notice.id, now)
            else:
                inbox.put_off(source, notice.id, problem, now + _AGAIN)
        return problem is None

    def _follow(self, kind: NoticeKind, reference: str) -> None:
        match kind:
            case NoticeKind.CHARGE:
                self._payments.collecting.changed(reference)
            case NoticeKind.REFUND:
                self._payments.refunding.changed(reference)
            case NoticeKind.SETUP:
                self._payments.setup_changed(reference)
            case NoticeKind.OTHER:
                pass
