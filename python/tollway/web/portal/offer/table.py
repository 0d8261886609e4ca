"""The plan table: what every plan costs, includes, limits and brings, one row a question."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from fractions import Fraction

from tollway.billing.rating.wording import grouped
from tollway.catalog.models import Interval, LimitWindow, Plan
from tollway.catalog.prices import Flat, Price
from tollway.catalog.versions import PlanVersion
from tollway.web.portal.content.model import PlanWords, PortalFile
from tollway.web.portal.offer.model import Offer
from tollway.web.portal.offer.titles import named, plan_title, unit_of
from tollway.web.portal.offer.words import UNLIMITED, amount, included, price_lines, singular

__all__ = [
    "AddOnRow",
    "Cell",
    "Column",
    "PlanTable",
    "Row",
    "RowGroup",
    "plan_table",
    "sold_plans",
]

_A = {
    Interval.DAY: "a day",
    Interval.WEEK: "a week",
    Interval.MONTH: "a month",
    Interval.QUARTER: "a quarter",
    Interval.YEAR: "a year",
}


@dataclass(frozen=True, slots=True)
class Column:
    """A plan's heading."""

    name: str
    title: str
    price: str
    note: str
    picked: bool


@dataclass(frozen=True, slots=True)
class Cell:
    """An answer: in short, and what more there is to say; `none` is said more quietly."""

    short: str
    more: tuple[str, ...] = ()
    none: bool = False


@dataclass(frozen=True, slots=True)
class Row:
    """A question and each plan's answer."""

    label: str
    cells: tuple[Cell, ...]


@dataclass(frozen=True, slots=True)
class RowGroup:
    """Rows under one heading; the first group has none."""

    title: str
    rows: tuple[Row, ...]


@dataclass(frozen=True, slots=True)
class AddOnRow:
    """An add-on: what it brings and costs."""

    title: str
    brings: str
    price: str


@dataclass(frozen=True, slots=True)
class PlanTable:
    """The whole table. `currency` and `counted` are told in a line above it."""

    currency: str
    columns: tuple[Column, ...]
    groups: tuple[RowGroup, ...]
    addons: tuple[AddOnRow, ...]


def sold_plans(offer: Offer, portal: PortalFile) -> list[PlanVersion]:
    """Return the plans that are shown: those that `portal.yaml` names, or all, the cheapest fee first."""
    if portal.shown:
        by_name = {version.plan.name: version for version in offer.plans}
        return [by_name[name] for name in portal.shown if name in by_name]
    return sorted(offer.plans, key=lambda version: (_fee(version.plan), version.plan.name))


def plan_table(offer: Offer, portal: PortalFile) -> PlanTable | None:
    """Make the table; None where nothing is for sale."""
    versions = sold_plans(offer, portal)
    if not versions:
        return None
    plans = [version.plan for version in versions]
    groups = (
        RowGroup("", tuple(_price_rows(versions, portal))),
        RowGroup("What happens at each limit", tuple(_limit_rows(plans, portal))),
        RowGroup("What comes with it", tuple(_feature_rows(plans, offer, portal))),
    )
    return PlanTable(
        currency=versions[0].currency.code,
        columns=tuple(_column(version, portal, len(versions)) for version in versions),
        groups=tuple(group for group in groups if group.rows),
        addons=tuple(_addon_rows(offer, portal)),
    )


def _column(version: PlanVersion, portal: PortalFile, columns: int) -> Column:
    plan = version.plan
    words = portal.plans.get(plan.name, PlanWords())
    charged = any(
        price.meter is not None and price_lines(price, version.currency, "units") for price in plan.prices
    )
    note = _A[plan.interval] + (", then per use" if charged else "")
    return Column(
        name=plan.name,
        title=plan_title(plan.name, portal),
        price=amount(_fee(plan), version.currency),
        note=words.note or note,
        picked=plan.name == portal.highlight and columns > 1,
    )


def _fee(plan: Plan) -> Fraction:
    fees = [
        price.model.amount for price in plan.prices if isinstance(price.model, Flat) and price.meter is None
    ]
    return sum(map(Fraction, fees), Fraction(0))


def _price_rows(versions: Sequence[PlanVersion], portal: PortalFile) -> Iterator[Row]:
    meters = dict.fromkeys(
        price.meter for version in versions for price in version.plan.prices if price.meter is not None
    )
    for meter in meters:
        unit = unit_of(meter, portal)
        prices = [
            (version, [price for price in version.plan.prices if price.meter == meter])
            for version in versions
        ]
        interval = _A[versions[0].plan.interval]
        yield Row(
            f"{unit.capitalize()} included {interval}",
            tuple(_included_cell(version.plan, found, meter) for version, found in prices),
        )
        costs = tuple(_cost_cell(version, found, unit) for version, found in prices)
        if not all(cost.none for cost in costs):
            yield Row(f"Each {singular(unit)} above that", costs)


def _included_cell(plan: Plan, prices: Sequence[Price], meter: str) -> Cell:
    quota = plan.quota.get(meter)
    if not prices:
        return Cell("none", none=True) if quota is None else Cell(f"{quota:,}")
    count = min(included(price) for price in prices)
    if count == UNLIMITED:
        return Cell("All" if quota is None else f"{quota:,}")
    return Cell(grouped(count)) if count else Cell("none", none=True)


def _cost_cell(version: PlanVersion, prices: Sequence[Price], unit: str) -> Cell:
    lines = [line for price in prices for line in price_lines(price, version.currency, unit)]
    if not lines:
        stops = any(price.meter in version.plan.quota for price in prices)
        return Cell("not possible" if stops else "nothing" if prices else "not charged", none=True)
    return Cell(lines[0], tuple(lines[1:]))


def _limit_rows(plans: Sequence[Plan], portal: PortalFile) -> Iterator[Row]:
    for window in LimitWindow:
        if any(window in plan.rate_limit for plan in plans):
            yield Row(
                f"Calls a {window}",
                tuple(
                    _limited(plan.rate_limit.get(window), "then 429 with the seconds to wait")
                    for plan in plans
                ),
            )
    for meter in dict.fromkeys(name for plan in plans for name in plan.quota):
        interval = _A[plans[0].interval]
        yield Row(
            f"{unit_of(meter, portal).capitalize()} {interval}",
            tuple(_limited(plan.quota.get(meter), "then 429 until the period ends") for plan in plans),
        )


def _limited(limit: int | None, then: str) -> Cell:
    return Cell("No limit") if limit is None else Cell(f"{limit:,}", (then,))


def _feature_rows(plans: Sequence[Plan], offer: Offer, portal: PortalFile) -> Iterator[Row]:
    features = dict.fromkeys(name for plan in plans for name in sorted(plan.features))
    features |= dict.fromkeys(name for each in offer.addons for name in sorted(each.addon.features))
    for feature in features:
        bought = [each.addon.name for each in offer.addons if feature in each.addon.features]
        otherwise = f"as add-on {named(bought[0], portal)}" if bought else "not included"
        yield Row(
            named(feature, portal),
            tuple(
                Cell("Included") if feature in plan.features else Cell(otherwise, none=True) for plan in plans
            ),
        )


def _addon_rows(offer: Offer, portal: PortalFile) -> Iterator[AddOnRow]:
    for version in offer.addons:
        addon = version.addon
        words = [
            f"{line} {_A[Interval.MONTH]}"
            if price.meter is None
            else f"{line} for each {singular(unit_of(price.meter, portal))}"
            for price in addon.prices
            for line in price_lines(price, version.currency, "units")[:1]
        ]
        brings = ", ".join(named(feature, portal) for feature in sorted(addon.features))
        yield AddOnRow(named(addon.name, portal), brings, " + ".join(words) or "free")
