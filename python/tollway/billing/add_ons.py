"""Taking an add-on on and giving it up: each returns the new state and stores nothing."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime

from tollway.billing.errors import CurrencyFixed, SubscriptionConflict
from tollway.billing.models import Subscription, SubscriptionItem
from tollway.billing.subscriptions import Timing, phase_in_force
from tollway.billing.timeline import period_at
from tollway.catalog.versions import AddOnVersion
from tollway.kernel.ids import new_id
from tollway.kernel.instants import format_instant

__all__ = ["ItemChange", "add_on", "remove_add_on"]


@dataclass(frozen=True, slots=True)
class ItemChange:
    """An add-on that comes or goes: the subscription and the item after it, and when it takes effect."""

    subscription: Subscription
    item: SubscriptionItem
    timing: Timing
    effective_at: datetime


def add_on(subscription: Subscription, addon: AddOnVersion, now: datetime) -> ItemChange:
    """Return what becomes of a subscription that takes an add-on on at `now`: it is in force at once.

    One that was about to end stays, at the version it was taken on at.

    Raises:
        SubscriptionConflict: the subscription has ended or is about to, or it has the add-on already.
        CurrencyFixed: the add-on has another currency.
    """
    phase_in_force(subscription, now)
    name = addon.addon.name
    if subscription.ends_at is not None:
        raise SubscriptionConflict(
            f"the subscription of {subscription.consumer_name!r} was cancelled and ends at"
            f" {format_instant(subscription.ends_at)}; subscribe again after that"
        )
    if addon.currency.code != subscription.currency:
        raise CurrencyFixed(
            f"the subscription is in {subscription.currency}, add-on {addon.label} in {addon.currency.code}"
        )
    present = _present(subscription, name, now)
    if present is None:
        item = SubscriptionItem(id=new_id(), position=len(subscription.items), addon=addon, starts_at=now)
        return ItemChange(replace(subscription, items=(*subscription.items, item)), item, Timing.NOW, now)
    if present.ends_at is None:
        raise SubscriptionConflict(f"{subscription.consumer_name!r} has add-on {name} already")
    return _with(subscription, replace(present, ends_at=None), Timing.NOW, now)


def remove_add_on(subscription: Subscription, name: str, timing: Timing, now: datetime) -> ItemChange:
    """Return what becomes of a subscription that gives an add-on up, at the period's end or at once.

    At the period's end nothing is given back; at once, the rest of its fees is, on the next invoice.

    Raises:
        SubscriptionConflict: it has no such add-on, or that ends by then already.
    """
    phase = phase_in_force(subscription, now)
    present = _present(subscription, name, now)
    if present is None:
        raise SubscriptionConflict(f"{subscription.consumer_name!r} has no add-on {name!r}")
    at = now if timing is Timing.NOW else period_at(phase, now).end
    if present.ends_at is not None and present.ends_at <= at:
        raise SubscriptionConflict(
            f"add-on {name} of {subscription.consumer_name!r} is removed already and ends at"
            f" {format_instant(present.ends_at)}"
        )
    return _with(subscription, replace(present, ends_at=at), timing, at)


def _present(subscription: Subscription, name: str, now: datetime) -> SubscriptionItem | None:
    return next((item for item in subscription.items_at(now) if item.addon.addon.name == name), None)


def _with(subscription: Subscription, item: SubscriptionItem, timing: Timing, at: datetime) -> ItemChange:
    items = tuple(item if one.id == item.id else one for one in subscription.items)
    return ItemChange(replace(subscription, items=items), item, timing, at)
