"""Subscriptions together with what they mean at the gateway: the plan's group, and who pays.

Each use case is one transaction, the change rows that tell the gateways included; only a load of many
subscriptions is several.
"""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from tollway.app.plans import plan_group
from tollway.billing.errors import SubscriptionConflict
from tollway.billing.models import Customer, InvoiceStatus, PartyDetails, SellerEntity, Subscription
from tollway.billing.subscriptions import Change, Timing, cancel, change_plan, start
from tollway.catalog.versions import PlanVersion
from tollway.gateway.models import Attribution, Consumer, ConsumerGroup
from tollway.gateway.service import Gateway
from tollway.kernel.clock import Clock
from tollway.kernel.errors import NotFound
from tollway.kernel.ids import new_id
from tollway.kernel.mode import Mode
from tollway.storage.commerce import Commerce
from tollway.storage.gateway import GatewayStore

__all__ = ["DEFAULT_SELLER", "Subscribing", "default_seller"]

DEFAULT_SELLER = "default"

# How long a load goes on in one transaction, and how long it then lets others write.
_HELD_SECONDS, _LEFT_SECONDS = 0.01, 0.003

_MICROSECOND = timedelta(microseconds=1)


@dataclass(frozen=True, slots=True)
class _Work:
    """What one use case works with: both domains over one transaction.

    Within it, nobody else changes plans and groups: they are looked up once.
    """

    commerce: Commerce
    gateway: Gateway
    now: datetime
    _plans: dict[str, PlanVersion] = field(default_factory=dict)
    _groups: dict[str, ConsumerGroup] = field(default_factory=dict)

    def plan(self, name: str) -> PlanVersion:
        """Return the newest version of a plan."""
        if name not in self._plans:
            self._plans[name] = _plan(self.commerce, name)
        return self._plans[name]

    def group(self, plan: str) -> ConsumerGroup:
        """Return the plan's group, made anew if somebody deleted it; its limits are the newest version's."""
        if plan not in self._groups:
            group = self.gateway.consumer_groups.repository.find(name=plan)
            self._groups[plan] = group or plan_group(self.gateway, self.plan(plan).plan)
        return self._groups[plan]


class Subscribing:
    """Subscribe, change, cancel; and let what was to happen at a period's end happen."""

    def __init__(self, gateways: GatewayStore, clock: Clock) -> None:
        self._gateways = gateways
        self._clock = clock

    def create(self, consumer: str, plan: str, mode: Mode) -> Subscription:
        """Subscribe a consumer to a plan from now on; makes a customer of its name if it has none.

        Raises:
            NotFound: there is no such consumer or plan.
            SubscriptionConflict: it has a subscription, or its customer has the other mode.
            CurrencyFixed: its customer is billed in another currency.
        """
        with self._work() as work:
            found = _consumer(work.gateway, consumer)
            present = _present(work, found)
            if present is not None:
                raise _conflict(found, present, plan)
            return _subscribe(work, found, plan, mode)

    def create_many(self, wanted: Iterable[tuple[str, str]], mode: Mode) -> Iterator[str]:
        """Subscribe many consumers, each given with its plan; yield their names once they are stored.

        Whoever has a subscription to that plan already is passed over, so a load that broke off can be run
        again. It is many short transactions: a fault, as `create` raises it, ends the load, and what earlier
        ones stored stays.
        """
        rest = iter(wanted)
        while True:
            stored = []
            with self._work() as work:
                until = time.monotonic() + _HELD_SECONDS
                for consumer, plan in rest:
                    found = _consumer(work.gateway, consumer)
                    present = _present(work, found)
                    if present is None:
                        _subscribe(work, found, plan, mode)
                    elif present.mode is not mode or present.phases[-1].plan.plan.name != plan:
                        raise _conflict(found, present, plan)
                    stored.append(consumer)
                    if time.monotonic() >= until:
                        break
            if not stored:
                return
            yield from stored
            time.sleep(_LEFT_SECONDS)

    def change(self, consumer: str, plan: str, *, dry_run: bool = False) -> Change:
        """Change a consumer's plan: an upgrade now, anything else at the period's end.

        With `dry_run` nothing is stored: the change is returned as it would be.

        Raises:
            NotFound: there is no such consumer, subscription or plan.
            SubscriptionConflict, CurrencyFixed: see `billing.subscriptions.change_plan`.
        """
        with self._look() if dry_run else self._work() as work:
            subscription = _current(work, consumer, lock=not dry_run)
            now = _now(work, subscription)
            change = change_plan(subscription, work.plan(plan), now)
            if not dry_run:
                work.commerce.subscriptions.save(change.subscription)
                _follow(work, change.subscription, now)
        return change

    def cancel(self, consumer: str, timing: Timing) -> Subscription:
        """End a consumer's subscription now or at the end of its period.

        Raises:
            NotFound: there is no such consumer or subscription.
            SubscriptionConflict: it is cancelled already.
        """
        with self._work() as work:
            subscription = _current(work, consumer)
            now = _now(work, subscription)
            cancelled = cancel(subscription, timing, now)
            work.commerce.subscriptions.save(cancelled)
            _follow(work, cancelled, now)
        return cancelled

    def all(self, mode: Mode | None = None) -> Sequence[Subscription]:
        """Return every subscription, those that ended too, ordered by their start."""
        with self._gateways.database.read() as connection:
            return Commerce(connection, self._clock).subscriptions.all(mode)

    def of(self, consumer: str) -> Subscription:
        """Return a consumer's subscription that has not ended.

        Raises:
            NotFound: there is no such consumer or subscription.
        """
        with self._look() as work:
            return _current(work, consumer, lock=False)

    def settle(self, now: datetime, mode: Mode | None = None) -> int:
        """Move the consumers whose phase has ended by `now` to the one that follows; return how many.

        Each is a transaction of its own, so however many are due, none holds up the others.
        """
        with self._gateways.database.read() as connection:
            due = Commerce(connection, self._clock).subscriptions.overdue(now, mode)
        for subscription in due:
            with self._work() as work:
                _follow(work, work.commerce.subscriptions.get(subscription, lock=True), now)
        return len(due)

    @contextmanager
    def _look(self) -> Iterator[_Work]:
        with self._gateways.database.read() as connection:
            yield _Work(Commerce(connection, self._clock), self._gateways.over(connection), self._clock.now())

    @contextmanager
    def _work(self) -> Iterator[_Work]:
        with self._gateways.database.write() as connection, self._gateways.join(connection) as gateway:
            yield _Work(Commerce(connection, self._clock), gateway, self._clock.now())


def default_seller(commerce: Commerce, now: datetime) -> SellerEntity:
    """Return the seller entity that issues invoices where nobody said otherwise, made when first needed."""
    seller = commerce.parties.seller_named(DEFAULT_SELLER)
    if seller is None:
        seller = SellerEntity(
            id=new_id(),
            slug=DEFAULT_SELLER,
            details=PartyDetails(),
            home_currency=None,
            invoice_prefix="INV-",
            created_at=now,
        )
        commerce.parties.save_seller(seller)
    return seller


def _subscribe(work: _Work, consumer: Consumer, plan: str, mode: Mode) -> Subscription:
    subscription = start(
        seller=default_seller(work.commerce, work.now),
        customer=_customer(work, consumer, mode),
        consumer=(consumer.id, _name(consumer)),
        plan=work.plan(plan),
        now=work.now,
    )
    work.commerce.subscriptions.save(subscription)
    _follow(work, subscription, subscription.starts_at)
    return subscription


def _conflict(consumer: Consumer, present: Subscription, plan: str) -> SubscriptionConflict:
    name = _name(consumer)
    return SubscriptionConflict(
        f"consumer {name!r} has a {present.mode.value} subscription to plan {present.phases[-1].plan.label};"
        f" change it: tollway subscription change --consumer {name} --plan {plan}"
    )


def _present(work: _Work, consumer: Consumer) -> Subscription | None:
    """Return the consumer's subscription if it has a phase in force."""
    found = work.commerce.subscriptions.current_of(consumer.id, work.now)
    return found if found is not None and found.phase_at(_now(work, found)) is not None else None


def _now(work: _Work, subscription: Subscription) -> datetime:
    """Return the subscription's present: after all of it that was billed or has begun.

    A test clock may be ahead of the real one. A change at the very instant that was billed would be at
    no instant that is still to be billed.
    """
    invoices = work.commerce.invoices.of_subscription(subscription.id)
    past = [invoice.period_end for invoice in invoices if invoice.status is InvoiceStatus.FINALISED]
    consumer = work.gateway.consumers.repository.get(subscription.consumer)
    if consumer is not None:
        judged_by = consumer.attribution.phase_id
        past += [phase.starts_at for phase in subscription.phases if phase.id == judged_by]
    return max([work.now, *(instant + _MICROSECOND for instant in past)])


def _follow(work: _Work, subscription: Subscription, now: datetime) -> None:
    """Let the gateway judge the consumer by the phase that is in force at `now`, or by none."""
    gateway = work.gateway
    consumer = gateway.consumers.repository.get(subscription.consumer)
    if consumer is None:
        return  # deleted through the Admin API; what it used is invoiced all the same
    phase = subscription.phase_at(now)
    left = next((p for p in subscription.phases if p.id == consumer.attribution.phase_id), None)
    if phase is None and left is None:
        return  # it has another subscription by now
    old = None if left is None else gateway.consumer_groups.repository.find(name=left.plan.plan.name)
    new = None if phase is None else work.group(phase.plan.plan.name)
    gateway.consumer_groups.move(
        consumer.id, out_of=None if old is None else old.id, into=None if new is None else new.id
    )
    gateway.consumers.attribute(
        consumer.id,
        Attribution(
            customer_id=subscription.customer,
            phase_id=None if phase is None else phase.id,
            mode=subscription.mode,
        ),
    )


def _consumer(gateway: Gateway, name: str) -> Consumer:
    found = gateway.consumers.find(name) or gateway.consumers.repository.find(custom_id=name)
    if found is None:
        raise NotFound("consumer", name, "create it first: POST /consumers with its username")
    return found


def _name(consumer: Consumer) -> str:
    return consumer.username or consumer.custom_id or str(consumer.id)


def _current(work: _Work, name: str, *, lock: bool = True) -> Subscription:
    consumer = _consumer(work.gateway, name)
    subscription = work.commerce.subscriptions.current_of(consumer.id, work.now)
    if subscription is None:
        raise NotFound("subscription of consumer", name, "see tollway subscription list")
    return work.commerce.subscriptions.get(subscription.id, lock=True) if lock else subscription


def _plan(commerce: Commerce, name: str) -> PlanVersion:
    plan = commerce.catalog.plan(name)
    if plan is None:
        known = ", ".join(version.plan.name for version in commerce.catalog.plans())
        raise NotFound("plan", name, f"there is {known}" if known else "apply a catalog file first")
    return plan


def _customer(work: _Work, consumer: Consumer, mode: Mode) -> Customer:
    parties = work.commerce.parties
    if consumer.attribution.customer_id is not None:
        customer = parties.customer(consumer.attribution.customer_id)
        if customer.mode is not mode:
            raise SubscriptionConflict(
                f"consumer {_name(consumer)!r} belongs to {customer.mode.value} customer {customer.name!r};"
                f" use another consumer in {mode.value} mode"
            )
        return customer
    known = parties.customer_named(_name(consumer), mode)
    if known is not None:
        return known
    customer = Customer(
        id=new_id(),
        mode=mode,
        name=_name(consumer),
        details=PartyDetails(),
        billing_currency=None,
        created_at=work.now,
    )
    parties.save_customer(customer)
    return customer
