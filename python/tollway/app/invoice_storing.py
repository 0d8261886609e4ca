"""Storing invoices: chains of them, built on a state that was read, are stored if that state still stands."""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import NamedTuple
from uuid import UUID

from tollway.billing.building import Bill, next_bill
from tollway.billing.errors import CurrencyFixed, DetailMissing
from tollway.billing.finalising import check_final, ledger_transaction, made_final
from tollway.billing.models import Invoice, InvoiceStatus, SellerEntity, Subscription
from tollway.ledger.service import post_all
from tollway.storage.commerce import Commerce

__all__ = ["Billed", "Chain", "Pace", "Stored", "store_chains"]

_LONGEST = 12
"""Invoices of a chain, which is stored at once; what follows is built on what was stored."""
_HELD_SECONDS = 0.01
"""How long a transaction may keep others from writing."""
_LEAST, _MOST = 8, 64
"""Invoices of a transaction. Fewer are hardly quicker: it is the statements that take time."""


_SOONEST_AGAIN = timedelta(hours=1)
_END_OF_TIME = datetime.max.replace(tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class Billed:
    """A bill that a run came across: its invoice, and why it is a draft if it is one."""

    consumer: str
    invoice: Invoice
    reason: str | None = None


class Chain:
    """What a subscription is to be billed: each invoice is built on those before it.

    `due` are the invoices, each with the reason why it must stay a draft; nothing follows such a one.
    """

    def __init__(self, subscription: Subscription, present: Sequence[Invoice]) -> None:
        self.subscription = subscription
        self.heads = [invoice.head for invoice in present]
        self.due: list[tuple[Invoice, str | None]] = []
        self.whole = False
        """Whether nothing more is due."""
        self._billed = [invoice for invoice in present if invoice.status is InvoiceStatus.FINALISED]
        self._drafts = {i.sequence: i for i in present if i.status is InvoiceStatus.DRAFT}
        self._after = -1

    def next_bill(self, until: datetime) -> Bill | None:
        """Return the next bill to build, or None if that is all for now."""
        if self.whole or len(self.due) == _LONGEST:
            return None
        bill = next_bill(self.subscription, self._billed, until, after=self._after)
        self.whole = bill is None
        return bill

    def add(self, bill: Bill, invoice: Invoice | None, reason: str | None) -> None:
        """Add what the bill came to, under the id of the draft that an earlier run has left of it."""
        self._after = bill.sequence
        if invoice is None:
            return
        left = self._drafts.get(invoice.sequence)
        if left is not None:
            invoice = replace(invoice, id=left.id, created_at=left.created_at)
        self.due.append((invoice, reason))
        self._billed.append(invoice)
        self.whole = reason is not None

    def next_at(self, until: datetime) -> datetime:
        """Return when to look at the subscription next, once what is due by `until` is stored.

        For one that ended that is ever more rarely: late usage is the less likely the longer ago it ended.
        """
        bill = next_bill(self.subscription, self._billed, _END_OF_TIME, after=self._after)
        if bill is not None:
            return bill.at
        ended = self.subscription.ends_at or until
        return until + max(_SOONEST_AGAIN, until - ended)


class Pace:
    """How many invoices fit into a transaction that keeps others from writing for about 10 ms."""

    def __init__(self) -> None:
        self._invoices = _LEAST

    def group(self, waiting: deque[Chain]) -> list[Chain]:
        """Take the chains that come next: one, and as many more as fit."""
        group = [waiting.popleft()]
        invoices = len(group[0].due)
        while waiting and invoices + len(waiting[0].due) <= self._invoices:
            group.append(waiting.popleft())
            invoices += len(group[-1].due)
        return group

    def held(self, seconds: float) -> None:
        """Learn how long a group's transaction took: the next may be larger, or must be smaller."""
        if seconds > _HELD_SECONDS:
            self._invoices = max(_LEAST, self._invoices // 2)
        elif seconds < _HELD_SECONDS / 2:
            self._invoices = min(_MOST, self._invoices + 2)


class Stored(NamedTuple):
    """What became of chains. Subscriptions that `moved` must be read anew; those `stopped` have a draft."""

    billed: list[Billed]
    moved: list[UUID]
    stopped: list[UUID]


def store_chains(commerce: Commerce, chains: Sequence[Chain], now: datetime, until: datetime) -> Stored:
    """Store chains within the caller's transaction, finalising at `now` what can be.

    `until` is up to when the chains were built. A chain whose subscription or invoices changed since they
    were read is not stored.
    """
    ids = [chain.subscription.id for chain in chains]
    subscriptions = commerce.subscriptions.get_many(ids, lock=True)
    heads = commerce.invoices.heads(ids)
    standing, moved = [], []
    for chain, id_ in zip(chains, ids, strict=True):
        unchanged = subscriptions.get(id_) == chain.subscription and heads[id_] == chain.heads
        if unchanged:
            standing.append(chain)
        else:
            moved.append(id_)
    batch = _Batch(commerce, standing, now)
    stopped = [chain.subscription.id for chain in standing if not batch.take(chain)]
    billed = batch.store()
    commerce.subscriptions.schedule(
        {
            chain.subscription.id: chain.next_at(until)
            for chain in standing
            if chain.subscription.id not in stopped
        }
    )
    return Stored(billed, moved, stopped)


class _Batch:
    """Invoices of several chains, stored together: a statement costs much more than a row."""

    def __init__(self, commerce: Commerce, chains: Sequence[Chain], now: datetime) -> None:
        self._commerce = commerce
        self._now = now
        self._taken: list[tuple[str, Invoice, str | None]] = []
        self._replaced: list[UUID] = []
        self._sellers: dict[UUID, SellerEntity] = {}
        self._customers = dict(commerce.parties.customers({chain.subscription.customer for chain in chains}))
        self._currencies: dict[UUID, str] = {}

    def take(self, chain: Chain) -> bool:
        """Take a chain's invoices; returns False where one must stay a draft, which ends the chain."""
        left = {head.id for head in chain.heads}
        for invoice, lagging in chain.due:
            if invoice.id in left:
                self._replaced.append(invoice.id)
            reason = lagging or self._refusal(invoice)
            self._taken.append((chain.subscription.consumer_name, invoice, reason))
            if reason is not None:
                return False
        return True

    def store(self) -> list[Billed]:
        """Write everything that was taken; return what it came to."""
        if not self._taken:
            return []
        commerce = self._commerce
        commerce.invoices.add_drafts([invoice for _, invoice, _ in self._taken], replaced=self._replaced)
        numbered = made_final(
            [
                (invoice, self._seller(invoice.seller_entity), self._customers[invoice.customer])
                for _, invoice, reason in self._taken
                if reason is None
            ],
            commerce.numbers,
            self._now,
        )
        if numbered:
            commerce.invoices.finalise(numbered)
            commerce.parties.fix_currencies(self._currencies)
            posted = map(ledger_transaction, numbered)
            post_all(commerce.journal, [one for one in posted if one is not None])
        final = {invoice.id: invoice for invoice in numbered}
        return [
            Billed(consumer, final.get(invoice.id, invoice), reason)
            for consumer, invoice, reason in self._taken
        ]

    def _refusal(self, invoice: Invoice) -> str | None:
        customer = self._customers[invoice.customer]
        try:
            check_final(invoice, self._seller(invoice.seller_entity), customer)
        except (DetailMissing, CurrencyFixed) as refusal:
            return str(refusal)
        if customer.billing_currency is None:
            self._customers[customer.id] = replace(customer, billing_currency=invoice.currency)
            self._currencies[customer.id] = invoice.currency
        return None

    def _seller(self, seller: UUID) -> SellerEntity:
        if seller not in self._sellers:
            self._sellers[seller] = self._commerce.parties.seller(seller)
        return self._sellers[seller]
