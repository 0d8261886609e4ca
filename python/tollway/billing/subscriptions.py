"""Subscribing, changing the plan, cancelling: each returns the new state and stores nothing."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from datetime import datetime
from enum import StrEnum
from fractions import Fraction
from uuid import UUID

from tollway.billing.errors import CurrencyFixed, SubscriptionConflict
from tollway.billing.models import Customer, Phase, SellerEntity, Subscription
from tollway.billing.rating.models import Facts
from tollway.billing.rating.rate import rate
from tollway.billing.timeline import period_at, same_rhythm
from tollway.catalog.prices import Price
from tollway.catalog.versions import PlanVersion
from tollway.kernel.currency import Currency
from tollway.kernel.ids import new_id
from tollway.kernel.instants import format_instant

__all__ = ["Change", "Timing", "cancel", "change_plan", "phase_in_force", "recurring_fee", "start"]


class Timing(StrEnum):
    """When a change takes effect."""

    NOW = "now"
    PERIOD_END = "period_end"


@dataclass(frozen=True, slots=True)
class Change:
    """A change of plan: the subscription after it, and when it takes effect."""

    subscription: Subscription
    timing: Timing
    effective_at: datetime


def start(
    *,
    seller: SellerEntity,
    customer: Customer,
    consumer: tuple[UUID, str],
    plan: PlanVersion,
    now: datetime,
) -> Subscription:
    """Return a new subscription to a plan from `now` on, in the customer's mode.

    `consumer` is the id and the name of the one whose calls it covers.

    Raises:
        CurrencyFixed: the customer is billed in another currency than the plan's.
    """
    _check_currency(customer, plan)
    return Subscription(
        id=new_id(),
        mode=customer.mode,
        seller_entity=seller.id,
        customer=customer.id,
        consumer=consumer[0],
        consumer_name=consumer[1],
        currency=plan.currency.code,
        starts_at=now,
        phases=(Phase(id=new_id(), position=0, plan=plan, anchor=now, starts_at=now),),
        created_at=now,
    )


def change_plan(subscription: Subscription, plan: PlanVersion, now: datetime) -> Change:
    """Return what becomes of a subscription that changes to `plan` at `now`.

    An upgrade, a higher recurring fee at the same interval, takes effect now. Everything else waits for the
    end of the period. A change that was waiting is replaced.

    Raises:
        SubscriptionConflict: it has ended or is about to, or it has that plan already.
        CurrencyFixed: the plan has another currency.
    """
    current = phase_in_force(subscription, now)
    if subscription.ends_at is not None:
        raise SubscriptionConflict(
            f"the subscription of {subscription.consumer_name!r} was cancelled and ends at"
            f" {format_instant(subscription.ends_at)}; subscribe again after that"
        )
    if plan.currency.code != subscription.currency:
        raise CurrencyFixed(
            f"the subscription is in {subscription.currency}, plan {plan.label} in {plan.currency.code};"
            " cancel it and subscribe anew to change the currency"
        )
    waiting = subscription.phases[-1] is not current
    if plan.id == current.plan.id:
        if not waiting:
            raise SubscriptionConflict(f"{subscription.consumer_name!r} is on plan {plan.label} already")
        # Going back to the plan in force: the change that was waiting is off.
        kept = (*subscription.phases[: current.position], replace(current, ends_at=None))
        return Change(replace(subscription, phases=kept), Timing.NOW, now)
    timing = Timing.NOW if _is_upgrade(current.plan, plan) else Timing.PERIOD_END
    at = now if timing is Timing.NOW else period_at(current, now).end
    following = Phase(
        id=new_id(),
        position=current.position + 1,
        plan=plan,
        anchor=current.anchor if same_rhythm(current.plan.plan, plan.plan) else at,
        starts_at=at,
    )
    phases = (*subscription.phases[: current.position], replace(current, ends_at=at), following)
    return Change(replace(subscription, phases=phases), timing, at)


def cancel(subscription: Subscription, timing: Timing, now: datetime) -> Subscription:
    """Return the subscription as it ends: at the end of the period that `now` lies in, or at once.

    Fees paid in advance are not given back; usage up to the end is invoiced.

    Raises:
        SubscriptionConflict: it has ended, or ends at the period's end already.
    """
    current = phase_in_force(subscription, now)
    at = now if timing is Timing.NOW else period_at(current, now).end
    if subscription.ends_at is not None and subscription.ends_at <= at:
        raise SubscriptionConflict(
            f"the subscription of {subscription.consumer_name!r} is cancelled already and ends at"
            f" {format_instant(subscription.ends_at)}"
        )
    phases = (*subscription.phases[: current.position], replace(current, ends_at=at))
    return replace(subscription, phases=phases, ends_at=at, cancelled_at=now)


def recurring_fee(prices: Iterable[Price], currency: Currency) -> Fraction:
    """Return what a plan or an add-on costs in a whole period before any usage, exact, in major units."""
    fees = (rate(price, Facts(), currency).amount for price in prices if price.meter is None)
    return sum(fees, Fraction(0))


def _is_upgrade(current: PlanVersion, plan: PlanVersion) -> bool:
    # At the same interval, a higher fee a period is a higher fee a second.
    return same_rhythm(current.plan, plan.plan) and _fee(plan) > _fee(current)


def _fee(version: PlanVersion) -> Fraction:
    return recurring_fee(version.plan.prices, version.currency)


def phase_in_force(subscription: Subscription, now: datetime) -> Phase:
    """Return the phase of a subscription at `now`.

    Raises:
        SubscriptionConflict: it has ended.
    """
    phase = subscription.phase_at(now)
    if phase is None:
        ended = format_instant(subscription.ends_at) if subscription.ends_at else "never"
        raise SubscriptionConflict(f"the subscription of {subscription.consumer_name!r} ended at {ended}")
    return phase


def _check_currency(customer: Customer, plan: PlanVersion) -> None:
    fixed = customer.billing_currency
    if fixed is not None and fixed != plan.currency.code:
        raise CurrencyFixed(
            f"customer {customer.name!r} is billed in {fixed}, plan {plan.label} costs {plan.currency.code};"
            f" a plan in {fixed} is needed"
        )
