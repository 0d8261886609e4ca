"""Subscriptions together with what they mean at the gateway: the plan's group, and who pays.

Each use case is one transaction, the change rows that tell the gateways included; only a load of many
subscriptions is several.
"""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from datetime import datetime

from sqlalchemy.exc import OperationalError

from tollway.app.following import Reference, Work, consumer_named, current_subscription, follow, present_of
from tollway.billing.add_ons import ItemChange, add_on, remove_add_on
from tollway.billing.errors import PreviewOvertaken, SubscriptionConflict
from tollway.billing.models import Customer, PartyDetails, SellerEntity, Subscription
from tollway.billing.subscriptions import Change, Timing, cancel, change_plan, start
from tollway.gateway.models import Consumer
from tollway.kernel.clock import Clock
from tollway.kernel.ids import new_id
from tollway.kernel.instants import format_instant
from tollway.kernel.mode import Mode
from tollway.storage.commerce import Commerce
from tollway.storage.gateway import GatewayStore

__all__ = ["DEFAULT_SELLER", "Subscribing", "default_seller"]

DEFAULT_SELLER = "default"

# How long a load goes on in one transaction, and how long it then lets others write.
_HELD_SECONDS, _LEFT_SECONDS = 0.01, 0.003


class Subscribing:
    """Subscribe, change, cancel; and let what was to happen at a period's end happen.

    `consumer` names the one whose subscription is meant; a `UUID` is that of the subscription itself.
    """

    def __init__(self, gateways: GatewayStore, clock: Clock) -> None:
        self._gateways = gateways
        self._clock = clock

    def create(self, consumer: str, plan: str, mode: Mode, *, dry_run: bool = False) -> Subscription:
        """Subscribe a consumer to a plan from now on; makes a customer of its name if it has none.

        With `dry_run` nothing is stored: the subscription is returned as it would be.

        Raises:
            NotFound: there is no such consumer or plan.
            SubscriptionConflict: it has a subscription, or its customer has the other mode.
            CurrencyFixed: its customer is billed in another currency.
        """
        with self._look() if dry_run else self._work() as work:
            found = consumer_named(work.gateway, consumer)
            present = _present(work, found)
            if present is not None:
                raise _conflict(found, present, plan)
            subscription = _subscription(work, found, plan, mode, store=not dry_run)
            if not dry_run:
                _store(work, subscription, subscription.starts_at)
        return subscription

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
                    found = consumer_named(work.gateway, consumer)
                    present = _present(work, found)
                    if present is None:
                        subscription = _subscription(work, found, plan, mode, store=True)
                        _store(work, subscription, subscription.starts_at)
                    elif present.mode is not mode or present.phases[-1].plan.plan.name != plan:
                        raise _conflict(found, present, plan)
                    stored.append(consumer)
                    if time.monotonic() >= until:
                        break
            if not stored:
                return
            yield from stored
            time.sleep(_LEFT_SECONDS)

    def change(
        self, consumer: Reference, plan: str, *, dry_run: bool = False, at: datetime | None = None
    ) -> Change:
        """Change a consumer's plan: an upgrade now, anything else at the period's end.

        With `dry_run` nothing is stored: the change is returned as it would be. `at` is the instant of a
        preview that was agreed to, a few minutes ago: the change is made as of then, and costs what was said.
        One that is ahead, as under a test clock, is taken for now.

        Raises:
            NotFound: there is no such consumer, subscription or plan.
            SubscriptionConflict, CurrencyFixed: see `billing.subscriptions.change_plan`.
            PreviewOvertaken: since `at` something was billed or changed.
        """
        with self._changing(consumer, dry_run=dry_run, at=at) as (work, subscription, now):
            change = change_plan(subscription, work.plan(plan), now)
            _require_held(subscription, at, now)
            if not dry_run:
                _store(work, change.subscription, now)
        return change

    def add_on(
        self, consumer: Reference, name: str, *, dry_run: bool = False, at: datetime | None = None
    ) -> ItemChange:
        """Have a consumer's subscription take an add-on on: in force at once, charged on the next invoice.

        `at` is the instant of a preview that was agreed to, as in `change`.

        Raises:
            NotFound: there is no such consumer, subscription or add-on.
            SubscriptionConflict, CurrencyFixed: see `billing.add_ons.add_on`.
            PreviewOvertaken: since `at` something was billed or changed.
        """
        with self._changing(consumer, dry_run=dry_run, at=at) as (work, subscription, now):
            change = add_on(subscription, work.addon(name), now)
            _require_held(subscription, at, now)
            if not dry_run:
                _store(work, change.subscription, now)
        return change

    def remove_add_on(
        self, consumer: Reference, name: str, timing: Timing = Timing.PERIOD_END, *, dry_run: bool = False
    ) -> ItemChange:
        """Take an add-on from a consumer's subscription, at its period's end or at once.

        Raises:
            NotFound: there is no such consumer or subscription.
            SubscriptionConflict: see `billing.add_ons.remove_add_on`.
        """
        with self._changing(consumer, dry_run=dry_run) as (work, subscription, now):
            change = remove_add_on(subscription, name, timing, now)
            if not dry_run:
                _store(work, change.subscription, now)
        return change

    def cancel(self, consumer: Reference, timing: Timing) -> Subscription:
        """End a consumer's subscription now or at the end of its period.

        Raises:
            NotFound: there is no such consumer or subscription.
            SubscriptionConflict: it is cancelled already.
        """
        with self._changing(consumer) as (work, subscription, now):
            cancelled = cancel(subscription, timing, now)
            _store(work, cancelled, now)
        return cancelled

    def all(self, mode: Mode | None = None) -> Sequence[Subscription]:
        """Return every subscription, those that ended too, ordered by their start."""
        with self._gateways.database.read() as connection:
            return Commerce(connection, self._clock).subscriptions.all(mode)

    def of(self, consumer: Reference) -> Subscription:
        """Return a consumer's subscription that has not ended.

        Raises:
            NotFound: there is no such consumer or subscription.
        """
        return self.present(consumer)[0]

    def present(self, consumer: Reference) -> tuple[Subscription, datetime]:
        """Return a consumer's subscription that has not ended, and its present: a test clock may be ahead.

        Raises:
            NotFound: there is no such consumer or subscription.
        """
        with self._changing(consumer, dry_run=True) as (_, subscription, now):
            return subscription, now

    def settle(self, now: datetime, mode: Mode | None = None) -> int:
        """Have the gateway follow what changed by `now`; return how many consumers that concerned.

        That is a phase or an add-on that ended, and the boundaries of periods to come. Each is a transaction
        of its own, so however many are due, none holds up the others; nor does one that fails, whose fault is
        raised in the end.
        """
        with self._gateways.database.read() as connection:
            due = Commerce(connection, self._clock).subscriptions.overdue(now, mode)
        told = 0
        failure: Exception | None = None
        for subscription in due:
            try:
                with self._work() as work:
                    found = work.commerce.subscriptions.get(subscription, lock=True)
                    # One under a test clock may be ahead of `now`, and never goes back in time.
                    told += follow(work, found, max(now, present_of(work, found)))
            except (OperationalError, TimeoutError):
                # The database is away: the others would wait for it in vain.
                raise
            except Exception as error:  # noqa: BLE001  # raised below, when the others have had their turn
                failure = failure or error
        if failure is not None:
            raise failure
        return told

    @contextmanager
    def _changing(
        self, consumer: Reference, *, dry_run: bool = False, at: datetime | None = None
    ) -> Iterator[tuple[Work, Subscription, datetime]]:
        with self._look() if dry_run else self._work() as opened:
            work = opened if at is None else replace(opened, now=min(at, opened.now))
            subscription = current_subscription(work, consumer, lock=not dry_run)
            yield work, subscription, present_of(work, subscription)

    @contextmanager
    def _look(self) -> Iterator[Work]:
        with self._gateways.database.read() as connection:
            yield Work(Commerce(connection, self._clock), self._gateways.over(connection), self._clock.now())

    @contextmanager
    def _work(self) -> Iterator[Work]:
        with self._gateways.database.write() as connection, self._gateways.join(connection) as gateway:
            yield Work(Commerce(connection, self._clock), gateway, self._clock.now())


def default_seller(commerce: Commerce, now: datetime, *, store: bool = True) -> SellerEntity:
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
        if store:
            commerce.parties.save_seller(seller)
    return seller


def _require_held(subscription: Subscription, at: datetime | None, present: datetime) -> None:
    """Refuse a change that was agreed to by a preview of `at`, where the present can't be that any more."""
    if at is not None and present > at:
        raise PreviewOvertaken(
            f"the subscription of {subscription.consumer_name!r} was billed or changed since"
            f" {format_instant(at)}; look at the preview again"
        )


def _store(work: Work, subscription: Subscription, now: datetime) -> None:
    work.commerce.subscriptions.save(subscription)
    follow(work, subscription, now)


def _subscription(work: Work, consumer: Consumer, plan: str, mode: Mode, *, store: bool) -> Subscription:
    """Return a new subscription; `store` keeps the seller and the customer that are made for it."""
    return start(
        seller=default_seller(work.commerce, work.now, store=store),
        customer=_customer(work, consumer, mode, store=store),
        consumer=(consumer.id, _name(consumer)),
        plan=work.plan(plan),
        now=work.now,
    )


def _conflict(consumer: Consumer, present: Subscription, plan: str) -> SubscriptionConflict:
    name = _name(consumer)
    return SubscriptionConflict(
        f"consumer {name!r} has a {present.mode.value} subscription to plan {present.phases[-1].plan.label};"
        f" change it: tollway subscription change --consumer {name} --plan {plan}"
    )


def _present(work: Work, consumer: Consumer) -> Subscription | None:
    """Return the consumer's subscription if it has a phase in force."""
    found = work.commerce.subscriptions.current_of(consumer.id, work.now)
    return found if found is not None and found.phase_at(present_of(work, found)) is not None else None


def _name(consumer: Consumer) -> str:
    return consumer.username or consumer.custom_id or str(consumer.id)


def _customer(work: Work, consumer: Consumer, mode: Mode, *, store: bool) -> Customer:
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
    if store:
        parties.save_customer(customer)
    return customer
