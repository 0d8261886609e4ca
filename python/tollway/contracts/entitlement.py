"""What a consumer may use now: billing computes it, the gateway enforces it, pages show it. One definition.

It travels as `entitlement` in the consumer's row of the configuration stream; a consumer without a
subscription in force has none.
"""

from __future__ import annotations

from typing import Literal

from typing_extensions import TypedDict

__all__ = ["Counted", "EntitlementView", "Offer", "QuotaView", "UsageFilter"]

Counted = Literal["requests", "units", "bytes_in", "bytes_out"]
"""What a quota's meter adds up of an exchange."""


class UsageFilter(TypedDict):
    """Which exchanges count; an empty list is all. `route` holds ids."""

    status: list[str]
    """Classes (`2xx`) and codes (`404`)."""
    method: list[str]
    route: list[str]


class QuotaView(TypedDict):
    """A hard allowance over a billing period, shared by all of the subscription's keys."""

    meter: str
    """The meter's name."""
    counted: Counted
    filter: UsageFilter
    any_completion: bool
    """Whether exchanges count that somebody broke off."""
    limit: int
    """Whole units of the meter in one period."""
    boundaries: list[int]
    """µs since 1970, ascending: the start of the period in force, its end, and the ends of some that follow.
    Beyond the last one the last period goes on, until control sends newer ones."""


class EntitlementView(TypedDict):
    """What one subscription grants now: its plan, its add-ons, and what they come to."""

    subscription: str
    """Id. Quota counters are per (subscription, meter, start of the period): a change of plan that keeps the
    period keeps what was used."""
    plan: str
    addons: list[str]
    features: list[str]
    """Names, sorted."""
    quotas: list[QuotaView]
    """Ordered by meter; of several for one meter the engine gets their sum."""


class Offer(TypedDict):
    """Who has a feature: what a refusal may recommend. Names, sorted; only what is on sale now."""

    feature: str
    plans: list[str]
    addons: list[str]
