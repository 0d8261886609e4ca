"""Payments as they are stored: each method is one transaction, and no provider is called within it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import datetime, timedelta
from uuid import UUID

import structlog

from tollway.billing.payments.attempts import charge_request
from tollway.billing.payments.models import Attempt, AttemptStatus, Payment, Refund
from tollway.billing.payments.posting import postings
from tollway.billing.payments.results import ChargeRequest
from tollway.kernel.clock import Clock
from tollway.kernel.errors import NotFound
from tollway.ledger.service import post_all
from tollway.storage.commerce import Commerce
from tollway.storage.database import Database

__all__ = ["Change", "PaymentStore"]

Change = Callable[[Payment, datetime], Payment]
"""What an answer makes of a payment as it stands when the answer is stored."""

log = structlog.get_logger()


class PaymentStore:
    """`timeout` is how long a provider may take to answer one call."""

    def __init__(self, main: Database, clock: Clock, timeout: timedelta) -> None:
        self.main = main
        self.clock = clock
        # By then whoever began something has its answer or has given up.
        self.lease = timeout * 2

    def change(self, payment: UUID, change: Change) -> Payment:
        """Store what an answer makes of a payment, and post what that moves.

        Raises:
            NotFound: there is no such payment.
        """
        with self.main.write() as connection:
            commerce = Commerce(connection, self.clock)
            before = commerce.payments.get(payment, lock=True)
            if before is None:
                raise NotFound("payment", str(payment))
            after = change(before, self.clock.now())
            if after != before:
                commerce.payments.save(after)
                post_all(commerce.journal, list(postings(after)))
        if after != before:
            _tell(after)
        return after

    def claim(self, payment: UUID) -> tuple[Payment, list[Attempt], list[Refund]]:
        """Take what is open of a payment: until the lease ends, others leave it alone.

        Raises:
            NotFound: there is no such payment.
        """
        now = self.clock.now()
        with self.main.write() as connection:
            payments = Commerce(connection, self.clock).payments
            found = payments.get(payment, lock=True)
            if found is None:
                raise NotFound("payment", str(payment))
            until = now + self.lease
            attempts = [one for one in found.attempts if one.look_at is not None]
            refunds = [one for one in found.refunds if one.look_at is not None]
            payments.save(
                replace(
                    found,
                    attempts=tuple(
                        replace(one, look_at=until) if one in attempts else one for one in found.attempts
                    ),
                    refunds=tuple(
                        replace(one, look_at=until) if one in refunds else one for one in found.refunds
                    ),
                )
            )
        return found, attempts, refunds

    def request(self, payment: Payment, attempt: Attempt) -> ChargeRequest:
        """Return what the provider is asked for an attempt: made of stored rows, the same every time."""
        with self.main.read() as connection:
            methods = Commerce(connection, self.clock).methods
            method = methods.get(attempt.method)
            account = methods.account(payment.customer, attempt.provider)
        assert method is not None, "a method that was used is kept"
        assert account is not None, "a customer with a method has an account"
        return charge_request(payment, attempt, method, account.reference)


def _tell(payment: Payment) -> None:
    last = payment.last
    log.info(
        "payment",
        invoice=payment.invoice_number,
        status=payment.status.value,
        attempt=None if last is None else last.number,
        code=None if last is None else last.code,
    )
    if sum(one.status is AttemptStatus.SUCCEEDED for one in payment.attempts) > 1:
        log.error("an invoice was paid twice; give one payment back", invoice=payment.invoice_number)
