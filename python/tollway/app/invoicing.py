"""Invoicing: what is due is built from usage that is complete, finalised, numbered and posted.

Some subscriptions at a time are read, built and stored. An invoice is stored in one transaction with the few
others that fit into the time for which it may keep others from writing, so a run that is killed leaves
nothing half, and the next one goes on where it stood. Usage is read before that transaction begins, since it
lies in another database; the transaction makes sure that nothing has changed meanwhile, and otherwise the
bill is made anew.
"""

from __future__ import annotations

import contextlib
import time
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from datetime import UTC, datetime, timedelta
from typing import NamedTuple
from uuid import UUID

from tollway.app.invoice_storing import Billed, Chain, Pace, store_chains
from tollway.billing.building import Bill, next_bill
from tollway.billing.models import Invoice, InvoiceStatus, Subscription
from tollway.billing.reading import read_usage
from tollway.billing.usage import UsageOfParts
from tollway.kernel.clock import Clock, SystemClock
from tollway.kernel.errors import Conflict
from tollway.kernel.instants import format_instant
from tollway.kernel.mode import Mode
from tollway.metering.models import NodeState
from tollway.metering.ports import UsageQuery
from tollway.storage.commerce import Commerce
from tollway.storage.database import Database

__all__ = ["Billed", "Forecast", "Invoicing"]

Drain = Callable[[datetime, timedelta], None]
"""Meters until usage before an instant is complete; raises `Conflict` if it isn't within the time given."""


_TOGETHER = 64
"""Subscriptions that are read at once: a statement costs much more than a row."""


class Forecast(NamedTuple):
    """What will be invoiced: what is `due` already, and the invoice after that, at the next billing."""

    due: tuple[Invoice, ...]
    upcoming: Invoice | None
    upcoming_at: datetime | None

    @property
    def first(self) -> Invoice | None:
        """The next invoice there will be."""
        return self.due[0] if self.due else self.upcoming


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
        self._pace = Pace()

    def run(
        self, until: datetime, *, mode: Mode | None, wait: timedelta, ended: bool = True
    ) -> Iterator[Billed]:
        """Bill every period that ends at or before `until`, of one mode or of both; yield what was done.

        Usage is complete once every node's log has been metered up to the period's end or up to the start of
        this run, whichever is earlier: a period that has ended by the billing clock alone has had all its
        usage by then. `wait` bounds how long that is waited for; what isn't complete is left as a draft.

        With `ended`, every subscription that ever ended is looked at for late usage; otherwise only those
        whose turn has come.
        """
        started = self._real.now()
        # What it says is said of each invoice that it concerns; others may well be complete.
        with contextlib.suppress(Conflict):
            self._drain(min(until, started), wait)
        with self._main.read() as connection:
            due = Commerce(connection, self._clock).subscriptions.due(mode, until, ended=ended)
        for start in range(0, len(due), _TOGETHER):
            yield from self._bill(due[start : start + _TOGETHER], until, started)

    def forecast(self, subscribed: Subscription, now: datetime | None = None) -> Forecast:
        """Return what a subscription will be invoiced, with the usage known now; nothing is stored.

        `subscribed` need not be as it is stored: a change is previewed before it is made. `now` is when it
        takes effect, where that is ahead of the clock.
        """
        now = max(self._clock.now(), now or self._clock.now())
        with self._main.read() as connection:
            invoices = Commerce(connection, self._clock).invoices.of_subscription(subscribed.id)
        billed = [invoice for invoice in invoices if invoice.status is InvoiceStatus.FINALISED]
        due: list[Invoice] = []
        after = -1
        while (bill := next_bill(subscribed, [*billed, *due], _END_OF_TIME, after=after)) is not None:
            (usage,) = read_usage(self._usage, [bill])
            invoice = bill.build(usage, now)
            if bill.at > now:
                return Forecast(tuple(due), invoice, bill.at)
            if invoice is not None:
                due.append(invoice)
            after = bill.sequence
        return Forecast(tuple(due), None, None)

    def _bill(self, subscriptions: Sequence[UUID], until: datetime, started: datetime) -> Iterator[Billed]:
        rest = list(subscriptions)
        while rest:
            chains = self._chains(rest, until, started)
            rest = [chain.subscription.id for chain in chains if not chain.whole]
            waiting = deque(chains)
            while waiting:
                group = self._pace.group(waiting)
                with self._main.write() as connection:
                    began = time.monotonic()
                    stored = store_chains(Commerce(connection, self._clock), group, self._clock.now(), until)
                self._pace.held(time.monotonic() - began)
                rest = [id_ for id_ in rest if id_ not in stored.stopped]
                rest += [id_ for id_ in stored.moved if id_ not in rest]
                yield from stored.billed

    def _chains(self, subscriptions: Sequence[UUID], until: datetime, started: datetime) -> list[Chain]:
        """Build what the subscriptions are to be billed next, usage of all of them read together."""
        with self._main.read() as connection:
            commerce = Commerce(connection, self._clock)
            found = commerce.subscriptions.get_many(subscriptions)
            invoices = commerce.invoices.of_subscriptions(subscriptions)
        chains = [Chain(found[id_], invoices[id_]) for id_ in subscriptions]
        growing = chains
        while growing:
            bills = [(chain, bill) for chain in growing if (bill := chain.next_bill(until)) is not None]
            usages = read_usage(self._usage, [bill for _, bill in bills])
            for (chain, bill), usage in zip(bills, usages, strict=True):
                chain.add(bill, bill.build(usage, self._clock.now()), _lagging(bill, usage, started))
            growing = [chain for chain, _ in bills]
        return chains


_END_OF_TIME = datetime.max.replace(tzinfo=UTC)


def _lagging(bill: Bill, usage: UsageOfParts | None, started: datetime) -> str | None:
    if usage is None or bill.closing is None:
        return None
    needed = min(bill.at, started)
    lagging = [node for node in usage.nodes if node.lags(needed)]
    return _waits_for(lagging, needed) if lagging else None


def _waits_for(lagging: Sequence[NodeState], needed: datetime) -> str:
    nodes = ", ".join(
        f"{node.node} ({'nothing metered' if node.watermark is None else format_instant(node.watermark)})"
        for node in lagging
    )
    return f"usage is not complete up to {format_instant(needed)}; waiting for node {nodes}"
