"""Letting the gateway follow a subscription: the plan's group, who pays, and what may be used."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from uuid import UUID

from tollway.app.plans import plan_group
from tollway.billing.entitlements import entitlement, quotas, told_until
from tollway.billing.errors import SubscriptionConflict
from tollway.billing.models import InvoiceStatus, Subscription
from tollway.catalog.versions import AddOnVersion, MeterInForce, PlanVersion
from tollway.gateway.models import Attribution, Consumer, ConsumerGroup
from tollway.gateway.service import Gateway
from tollway.kernel.errors import NotFound
from tollway.kernel.instants import format_instant
from tollway.storage.commerce import Commerce

__all__ = ["Reference", "Work", "consumer_named", "current_subscription", "follow", "present_of"]

_MICROSECOND = timedelta(microseconds=1)


@dataclass(frozen=True, slots=True)
class Work:
    """What one use case works with: both domains over one transaction.

    Within it, nobody else changes plans and groups: they are looked up once.
    """

    commerce: Commerce
    gateway: Gateway
    now: datetime
    _plans: dict[str, PlanVersion] = field(default_factory=dict)
    _groups: dict[str, ConsumerGroup] = field(default_factory=dict)
    _meters: dict[str, MeterInForce] = field(default_factory=dict)

    def meters(self) -> Mapping[str, MeterInForce]:
        """Return the meters in force, by name."""
        if not self._meters:
            self._meters.update(self.commerce.catalog.meters_in_force())
        return self._meters

    def plan(self, name: str) -> PlanVersion:
        """Return the newest version of a plan.

        Raises:
            NotFound: there is none.
        """
        if name not in self._plans:
            found = self.commerce.catalog.plan(name)
            if found is None:
                known = ", ".join(version.plan.name for version in self.commerce.catalog.plans())
                raise NotFound("plan", name, f"there is {known}" if known else "apply a catalog file first")
            self._plans[name] = found
        return self._plans[name]

    def addon(self, name: str) -> AddOnVersion:
        """Return the newest version of an add-on.

        Raises:
            NotFound: there is none.
        """
        found = self.commerce.catalog.addon(name)
        if found is None:
            known = ", ".join(version.addon.name for version in self.commerce.catalog.addons())
            hint = f"there is {known}" if known else "the catalog has none; apply a file with addons"
            raise NotFound("add-on", name, hint)
        return found

    def group(self, plan: str) -> ConsumerGroup:
        """Return the plan's group, made anew if somebody deleted it; its limits are the newest version's."""
        if plan not in self._groups:
            group = self.gateway.consumer_groups.repository.find(name=plan)
            self._groups[plan] = group or plan_group(self.gateway, self.plan(plan).plan)
        return self._groups[plan]


def follow(work: Work, subscription: Subscription, now: datetime) -> bool:
    """Let the gateway judge the consumer by what is in force at `now`, or by nothing.

    Returns False where the consumer is gone, or another subscription's by now.
    """
    told = _tell(work, subscription, now)
    work.commerce.subscriptions.follow_at(subscription.id, told_until(subscription, now) if told else None)
    return told


def _tell(work: Work, subscription: Subscription, now: datetime) -> bool:
    gateway = work.gateway
    consumer = gateway.consumers.repository.get(subscription.consumer)
    if consumer is None:
        return False  # deleted through the Admin API; what it used is invoiced all the same
    phase = subscription.phase_at(now)
    left = next((p for p in subscription.phases if p.id == consumer.attribution.phase_id), None)
    if phase is None and left is None:
        return False  # it has another subscription by now
    old = None if left is None else gateway.consumer_groups.repository.find(name=left.plan.plan.name)
    new = None if phase is None else work.group(phase.plan.plan.name)
    gateway.consumer_groups.move(
        consumer.id, out_of=None if old is None else old.id, into=None if new is None else new.id
    )
    limited = phase is not None and quotas(subscription, now)
    gateway.consumers.attribute(
        consumer.id,
        Attribution(
            customer_id=subscription.customer,
            phase_id=None if phase is None else phase.id,
            mode=subscription.mode,
        ),
        entitlement(subscription, now, work.meters() if limited else {}),
    )
    return True


def consumer_named(gateway: Gateway, name: str) -> Consumer:
    """Return the consumer with this username, custom id or id.

    Raises:
        NotFound: there is none.
    """
    found = gateway.consumers.find(name) or gateway.consumers.repository.find(custom_id=name)
    if found is None:
        raise NotFound("consumer", name, "create it first: POST /consumers with its username")
    return found


Reference = str | UUID
"""Which subscription: the one that a consumer has, by username, custom id or id, or one by its own id."""


def current_subscription(work: Work, reference: Reference, *, lock: bool = True) -> Subscription:
    """Return a subscription that has not ended.

    Raises:
        NotFound: there is no such consumer or subscription.
        SubscriptionConflict: the one with this id has ended.
    """
    if isinstance(reference, UUID):
        found = work.commerce.subscriptions.get(reference, lock=lock)
        if found.ends_at is not None and found.ends_at <= work.now:
            raise SubscriptionConflict(
                f"the subscription of {found.consumer_name!r} ended at {format_instant(found.ends_at)}"
            )
        return found
    name = reference
    consumer = consumer_named(work.gateway, name)
    subscription = work.commerce.subscriptions.current_of(consumer.id, work.now)
    if subscription is None:
        raise NotFound("subscription of consumer", name, "see tollway subscription list")
    return work.commerce.subscriptions.get(subscription.id, lock=True) if lock else subscription


def present_of(work: Work, subscription: Subscription) -> datetime:
    """Return the subscription's present: after all of it that was billed or has begun.

    A test clock may be ahead of the real one. A change at the very instant that was billed would be at
    no instant that is still to be billed.
    """
    invoices = work.commerce.invoices.of_subscription(subscription.id)
    past = [invoice.period_end for invoice in invoices if invoice.status is InvoiceStatus.FINALISED]
    past += [item.starts_at for item in subscription.items]
    consumer = work.gateway.consumers.repository.get(subscription.consumer)
    if consumer is not None:
        judged_by = consumer.attribution.phase_id
        past += [phase.starts_at for phase in subscription.phases if phase.id == judged_by]
    return max([work.now, *(instant + _MICROSECOND for instant in past)])
