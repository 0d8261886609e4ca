"""What a seller sells: meters, plans, add-ons. All of it is immutable; a change is a new value."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from types import MappingProxyType

from tollway.catalog.prices import Price
from tollway.kernel.currency import Currency

__all__ = [
    "BUILT_IN_METER",
    "MOST_QUOTAS",
    "AddOn",
    "Aggregation",
    "Catalog",
    "CompletionRule",
    "Cycle",
    "Interval",
    "LimitWindow",
    "Meter",
    "MeterFilter",
    "Plan",
    "SummedField",
]


BUILT_IN_METER = "units"
"""The sum of what is reported from elsewhere: prices may name it without its being defined."""


MOST_QUOTAS = 8
"""Meters of a plan that may have a quota: the gateway decides about so many for each request."""


class Aggregation(StrEnum):
    """How events become a quantity."""

    COUNT = "count"
    SUM = "sum"


class SummedField(StrEnum):
    """What the aggregation `sum` adds up."""

    UNITS = "units"
    BYTES_IN = "bytes_in"
    BYTES_OUT = "bytes_out"


class CompletionRule(StrEnum):
    """Whether exchanges count that somebody broke off."""

    COMPLETE = "complete"
    ANY = "any"


class LimitWindow(StrEnum):
    """The windows of a plan's rate limit."""

    SECOND = "second"
    MINUTE = "minute"
    HOUR = "hour"
    DAY = "day"
    MONTH = "month"
    YEAR = "year"


class Interval(StrEnum):
    """How long a billing period is."""

    DAY = "day"
    WEEK = "week"
    MONTH = "month"
    QUARTER = "quarter"
    YEAR = "year"


class Cycle(StrEnum):
    """Where billing periods begin: on the calendar's edges, or on the subscription's own day."""

    CALENDAR = "calendar"
    ANNIVERSARY = "anniversary"


@dataclass(frozen=True, slots=True)
class MeterFilter:
    """Which requests a meter takes: those that match every field; an empty field matches all.

    `status` holds classes (`2xx`) and codes (`404`), `method` names in capitals, `route` names of routes.
    """

    status: frozenset[str] = frozenset()
    method: frozenset[str] = frozenset()
    route: frozenset[str] = frozenset()

    def matches(self, *, status: int, method: str, route: str | None = None) -> bool:
        """Tell whether a request is one that the meter takes."""
        code = str(status)
        return (
            (not self.status or code in self.status or f"{code[:1]}xx" in self.status)
            and (not self.method or method in self.method)
            and (not self.route or route in self.route)
        )


@dataclass(frozen=True, slots=True)
class Meter:
    """How usage events become a quantity. `summed` says what `sum` adds up; a count has none.

    Without `completion`, exchanges that somebody broke off are left out of a count, and what was delivered
    of them is in a sum.
    """

    name: str
    aggregation: Aggregation = Aggregation.COUNT
    summed: SummedField | None = None
    filter: MeterFilter = field(default_factory=MeterFilter)
    completion: CompletionRule | None = None


@dataclass(frozen=True, slots=True)
class AddOn:
    """Features, quota and prices that a subscription can take on beside its plan.

    `quota` adds to the plan's quota of the same meter; where the plan has none, nothing is limited.
    """

    name: str
    features: frozenset[str] = frozenset()
    prices: tuple[Price, ...] = ()
    quota: Mapping[str, int] = field(default_factory=lambda: MappingProxyType({}))


@dataclass(frozen=True, slots=True)
class Plan:
    """A bundle: what may be used, how much, and what it costs.

    `rate_limit` is requests per window; `quota` is the most of each meter in a billing period, refused
    beyond it. `timezone` is an IANA name and decides only where period boundaries fall.
    """

    name: str
    rate_limit: Mapping[LimitWindow, int] = field(default_factory=lambda: MappingProxyType({}))
    features: frozenset[str] = frozenset()
    quota: Mapping[str, int] = field(default_factory=lambda: MappingProxyType({}))
    prices: tuple[Price, ...] = ()
    interval: Interval = Interval.MONTH
    billing: Cycle = Cycle.ANNIVERSARY
    timezone: str = "UTC"


@dataclass(frozen=True, slots=True)
class Catalog:
    """A whole catalog file. Names are unique within their kind; every meter a plan names is defined."""

    currency: Currency
    meters: tuple[Meter, ...] = ()
    plans: tuple[Plan, ...] = ()
    addons: tuple[AddOn, ...] = ()

    def meter(self, name: str) -> Meter | None:
        """Return the meter of that name."""
        return next((meter for meter in self.meters if meter.name == name), None)

    def plan(self, name: str) -> Plan | None:
        """Return the plan of that name."""
        return next((plan for plan in self.plans if plan.name == name), None)

    def addon(self, name: str) -> AddOn | None:
        """Return the add-on of that name."""
        return next((addon for addon in self.addons if addon.name == name), None)
