"""Invoicing: what is due is built from usage that is complete, finalised, numbered and posted.

Each invoice is one transaction, so a run that is killed leaves nothing half, and the next one goes on where
it stood. Usage is read before that transaction begins, since it lies in another database; the transaction
makes sure that nothing has changed meanwhile, and otherwise the bill is made anew.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from uuid import UUID

from tollway.billing.building import Bill, next_bill
from tollway.billing.errors import CurrencyFixed, DetailMissing
from tollway.billing.finalising import ledger_transaction, made_final
from tollway.billing.models import Invoice, InvoiceStatus, Subscription
from tollway.billing.reading import read_usage
from tollway.billing.usage import UsageOfParts
from tollway.kernel.clock import Clock, SystemClock
from tollway.kernel.errors import Conflict
from tollway.kernel.instants import format_instant
from tollway.kernel.mode import Mode
from tollway.ledger.service import post
from tollway.metering.models import NodeState
from tollway.metering.ports import UsageQuery
from tollway.storage.commerce import Commerce
from tollway.storage.database import Database

__all__ = ["Billed", "Invoicing"]

Drain = Callable[[datetime, timedelta], None]
"""Meters until usage before an instant is complete; raises `Conflict` if it isn't within the time given."""


@dataclass(frozen=True, slots=True)
class Billed:
    """A bill that a run came across: its invoice, and why it is a draft if it is one."""

    consumer: str
    invoice: Invoice
    reason: str | None = None


class Invoicing:
    """Bills subscriptions. `clock` is the billing clock; a test clock may be ahead of the real one."""

    def __init__(
        self, main: Database, usage: UsageQuery, *, drain: Drain, clock: Clock, real: Clock | None = None
    ) -> None:
        self._main = main
        self._usage = usage
        self._drain = drain
        self._clock = clock
        self._real = real or SystemClock()

    def run(self, until: datetime, *, mode: Mode | None, wait: timedelta) -> Iterator[Billed]:
        """Bill every period that ends at or before `until`, of one mode or of both; yield what was done.

        Usage is complete once every node's log has been metered up to the period's end or up to the start of
        this run, whichever is earlier: a period that has ended by the billing clock alone has had all its
        usage by then. `wait` bounds how long that is waited for; what isn't complete is left as a draft.
        """
        started = self._real.now()
        # What it says is said of each invoice that it concerns; others may well be complete.
        with contextlib.suppress(Conflict):
            self._drain(min(until, started), wait)
        with self._main.read() as connection:
            due = Commerce(connection, self._clock).subscriptions.billable(mode, until)
        for subscription in due:
            yield from self._bill(subscription, until, started)

    def preview(self, subscribed: Subscription) -> Invoice | None:
        """Return a subscription's next invoice with the usage known now; nothing is stored.

        `subscribed` need not be as it is stored: a change of plan is previewed before it is made.
        """
        _, billed = self._state(subscribed.id)
        after = -1
        while (bill := next_bill(subscribed, billed, _END_OF_TIME, after=after)) is not None:
            invoice = bill.build(read_usage(self._usage, bill), self._clock.now())
            if invoice is not None or bill.at > self._clock.now():
                return invoice
            after = bill.sequence
        return None

    def _bill(self, subscription: UUID, until: datetime, started: datetime) -> Iterator[Billed]:
        state, after = self._state(subscription), -1
        while (bill := next_bill(*state, until, after=after)) is not None:
            usage = read_usage(self._usage, bill)
            after = bill.sequence
            invoice = bill.build(usage, self._clock.now())
            if invoice is None:
                continue
            try:
                done = self._store(bill, invoice, self._lagging(bill, usage, started))
            except _Moved:
                state, after = self._state(subscription), -1
                continue
            yield done
            if done.invoice.status is InvoiceStatus.DRAFT:
                # What comes after is built on it.
                return
            state = bill.subscription, [*bill.billed, done.invoice]

    def _state(self, subscription: UUID) -> tuple[Subscription, list[Invoice]]:
        with self._main.read() as connection:
            return _state(Commerce(connection, self._clock), subscription)

    def _lagging(self, bill: Bill, usage: UsageOfParts | None, started: datetime) -> str | None:
        if usage is None or bill.closing is None:
            return None
        needed = min(bill.at, started)
        lagging = [node for node in usage.nodes if node.lags(needed)]
        return _waits_for(lagging, needed) if lagging else None

    def _store(self, bill: Bill, invoice: Invoice, lagging: str | None) -> Billed:
        with self._main.write() as connection:
            commerce = Commerce(connection, self._clock)
            subscribed, billed = _state(commerce, bill.subscription.id, lock=True)
            if subscribed != bill.subscription or [i.id for i in billed] != [i.id for i in bill.billed]:
                raise _Moved
            invoice = self._as_draft(commerce, invoice)
            if lagging is not None:
                return Billed(subscribed.consumer_name, invoice, lagging)
            try:
                invoice = self._finalise(commerce, invoice, self._clock.now())
            except (DetailMissing, CurrencyFixed) as refusal:
                return Billed(subscribed.consumer_name, invoice, str(refusal))
            return Billed(subscribed.consumer_name, invoice)

    def _as_draft(self, commerce: Commerce, invoice: Invoice) -> Invoice:
        """Store a draft, in place and under the id of the one that an earlier run has left."""
        for present in commerce.invoices.of_subscription(invoice.subscription):
            if present.sequence == invoice.sequence:
                invoice = replace(invoice, id=present.id, created_at=present.created_at)
        commerce.invoices.replace_draft(invoice)
        return invoice

    def _finalise(self, commerce: Commerce, invoice: Invoice, now: datetime) -> Invoice:
        seller = commerce.parties.seller(invoice.seller_entity)
        customer = commerce.parties.customer(invoice.customer)
        final = made_final(invoice, seller, customer, commerce.numbers, now)
        commerce.invoices.finalise(final)
        if customer.billing_currency is None:
            commerce.parties.save_customer(replace(customer, billing_currency=final.currency))
        transaction = ledger_transaction(final)
        if transaction is not None:
            post(commerce.journal, transaction)
        return final


class _Moved(Exception):
    """The subscription or its invoices changed between reading usage and storing the bill."""


_END_OF_TIME = datetime.max.replace(tzinfo=UTC)


def _state(
    commerce: Commerce, subscription: UUID, *, lock: bool = False
) -> tuple[Subscription, list[Invoice]]:
    subscribed = commerce.subscriptions.get(subscription, lock=lock)
    invoices = commerce.invoices.of_subscription(subscription)
    return subscribed, [invoice for invoice in invoices if invoice.status is InvoiceStatus.FINALISED]


def _waits_for(lagging: Sequence[NodeState], needed: datetime) -> str:
    nodes = ", ".join(
        f"{node.node} ({'nothing metered' if node.watermark is None else format_instant(node.watermark)})"
        for node in lagging
    )
    return f"usage is not complete up to {format_instant(needed)}; waiting for node {nodes}"
