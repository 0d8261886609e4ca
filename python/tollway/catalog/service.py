"""Applying a catalog: what is new or changed becomes a version; what is the same stays; nothing goes."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from tollway.catalog.models import AddOn, Catalog, Meter, Plan
from tollway.catalog.ports import CatalogStore
from tollway.kernel.currency import Currency

__all__ = ["Action", "Applied", "Kind", "apply_catalog"]


class Kind(StrEnum):
    """What a catalog holds."""

    METER = "meter"
    PLAN = "plan"
    ADDON = "addon"


class Action(StrEnum):
    """What applying did to one thing."""

    CREATED = "created"
    CHANGED = "changed"
    UNCHANGED = "unchanged"


@dataclass(frozen=True, slots=True)
class Applied:
    """What became of one meter, plan or add-on. Meters have no version number, only times."""

    kind: Kind
    name: str
    action: Action
    version: int | None = None


def apply_catalog(store: CatalogStore, catalog: Catalog, now: datetime) -> Iterator[Applied]:
    """Store a catalog at `now`, and yield what was done, in the file's order.

    `now` must be taken within the transaction: a changed meter counts from then on, and whoever reads meters
    waits for transactions that are storing some.
    """
    for meter in catalog.meters:
        yield _meter(store, meter, now)
    for plan in catalog.plans:
        yield _plan(store, plan, catalog.currency, now)
    for addon in catalog.addons:
        yield _addon(store, addon, catalog.currency, now)


def _meter(store: CatalogStore, meter: Meter, now: datetime) -> Applied:
    present = store.meter(meter.name)
    if present == meter:
        return Applied(Kind.METER, meter.name, Action.UNCHANGED)
    store.put_meter(meter, now)
    return Applied(Kind.METER, meter.name, Action.CHANGED if present else Action.CREATED)


def _plan(store: CatalogStore, plan: Plan, currency: Currency, now: datetime) -> Applied:
    present = store.plan(plan.name)
    if present is not None and (present.plan, present.currency) == (plan, currency):
        return Applied(Kind.PLAN, plan.name, Action.UNCHANGED, present.version)
    stored = store.put_plan(plan, currency, now)
    return Applied(Kind.PLAN, plan.name, Action.CHANGED if present else Action.CREATED, stored.version)


def _addon(store: CatalogStore, addon: AddOn, currency: Currency, now: datetime) -> Applied:
    present = store.addon(addon.name)
    if present is not None and (present.addon, present.currency) == (addon, currency):
        return Applied(Kind.ADDON, addon.name, Action.UNCHANGED, present.version)
    stored = store.put_addon(addon, currency, now)
    return Applied(Kind.ADDON, addon.name, Action.CHANGED if present else Action.CREATED, stored.version)
