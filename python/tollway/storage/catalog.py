"""The catalog's repository."""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Mapping, Sequence
from datetime import datetime
from functools import lru_cache
from typing import Any, NamedTuple
from uuid import UUID

from sqlalchemy import Connection, Row, Table, func, insert, select, update

from tollway.catalog.canonical import (
    addon_data,
    addon_from_data,
    content_hash,
    meter_data,
    meter_from_data,
    plan_data,
    plan_from_data,
)
from tollway.catalog.models import AddOn, Meter, Plan
from tollway.catalog.versions import AddOnVersion, MeterInForce, PlanVersion
from tollway.kernel.currency import Currency, currency
from tollway.kernel.ids import new_id
from tollway.storage.meters import hold_routes
from tollway.storage.tables.catalog import ADDON, ADDON_VERSION, METER, METER_ROUTE, PLAN, PLAN_VERSION

__all__ = ["SqlCatalog", "addon_version", "plan_version"]

_Data = dict[str, object]


class _Kept(NamedTuple):
    """A table of named things and the table of their versions."""

    things: Table
    versions: Table

    @property
    def parent(self) -> Any:
        """The version's column that names the thing."""
        return self.versions.c[f"{self.things.name}_id"]


_PLANS = _Kept(PLAN, PLAN_VERSION)
_ADDONS = _Kept(ADDON, ADDON_VERSION)


class SqlCatalog:
    """`tollway.catalog.ports.CatalogStore` within the transaction of a connection."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    def meter(self, name: str) -> Meter | None:
        """See `CatalogStore.meter`."""
        content = self._connection.scalar(
            select(METER.c.content).where(METER.c.name == name, METER.c.effective_until.is_(None))
        )
        return None if content is None else meter_from_data(json.loads(content))

    def meters(self) -> Sequence[Meter]:
        """See `CatalogStore.meters`."""
        contents = self._connection.scalars(
            select(METER.c.content).where(METER.c.effective_until.is_(None)).order_by(METER.c.name)
        )
        return [meter_from_data(json.loads(content)) for content in contents]

    def meters_in_force(self) -> Mapping[str, MeterInForce]:
        """See `CatalogStore.meters_in_force`."""
        rows = self._connection.execute(select(METER).where(METER.c.effective_until.is_(None))).all()
        routes: dict[UUID, set[UUID]] = defaultdict(set)
        ids = [row.id for row in rows]
        for held in self._connection.execute(select(METER_ROUTE).where(METER_ROUTE.c.meter_id.in_(ids))):
            routes[held.meter_id].add(held.route_id)
        return {
            row.name: MeterInForce(meter_from_data(json.loads(row.content)), frozenset(routes[row.id]))
            for row in rows
        }

    def put_meter(self, meter: Meter, now: datetime) -> None:
        """See `CatalogStore.put_meter`."""
        self._connection.execute(
            update(METER)
            .where(METER.c.name == meter.name, METER.c.effective_until.is_(None))
            .values(effective_until=now)
        )
        data, id_ = meter_data(meter), new_id()
        self._connection.execute(
            insert(METER).values(
                id=id_,
                name=meter.name,
                content=_text(data),
                content_hash=content_hash(data),
                effective_from=now,
            )
        )
        hold_routes(self._connection, id_, meter)

    def plan(self, name: str) -> PlanVersion | None:
        """See `CatalogStore.plan`."""
        row = self._current(_PLANS, name)
        return None if row is None else plan_version(row)

    def plans(self) -> Sequence[PlanVersion]:
        """See `CatalogStore.plans`."""
        names = self._connection.scalars(select(PLAN.c.name).order_by(PLAN.c.name)).all()
        found = (self.plan(name) for name in names)
        return [version for version in found if version is not None]

    def versions(self, name: str) -> Sequence[PlanVersion]:
        """See `CatalogStore.versions`."""
        rows = self._connection.execute(
            select(PLAN_VERSION)
            .join(PLAN, PLAN.c.id == PLAN_VERSION.c.plan_id)
            .where(PLAN.c.name == name)
            .order_by(PLAN_VERSION.c.version)
        )
        return [plan_version(row) for row in rows]

    def put_plan(self, plan: Plan, currency: Currency, now: datetime) -> PlanVersion:
        """See `CatalogStore.put_plan`."""
        return plan_version(self._put(_PLANS, plan.name, plan_data(plan), currency, now))

    def addons(self) -> Sequence[AddOnVersion]:
        """See `CatalogStore.addons`."""
        names = self._connection.scalars(select(ADDON.c.name).order_by(ADDON.c.name)).all()
        found = (self.addon(name) for name in names)
        return [version for version in found if version is not None]

    def addon(self, name: str) -> AddOnVersion | None:
        """See `CatalogStore.addon`."""
        row = self._current(_ADDONS, name)
        return None if row is None else addon_version(row)

    def put_addon(self, addon: AddOn, currency: Currency, now: datetime) -> AddOnVersion:
        """See `CatalogStore.put_addon`."""
        return addon_version(self._put(_ADDONS, addon.name, addon_data(addon), currency, now))

    def _current(self, kept: _Kept, name: str) -> Row[Any] | None:
        things, versions = kept
        return self._connection.execute(
            select(versions)
            .join(things, kept.parent == things.c.id)
            .where(things.c.name == name, versions.c.version == things.c.current_version)
        ).one_or_none()

    def _put(self, kept: _Kept, name: str, data: _Data, currency: Currency, now: datetime) -> Row[Any]:
        (things, versions), parent = kept, kept.parent
        thing: UUID | None = self._connection.scalar(select(things.c.id).where(things.c.name == name))
        if thing is None:
            thing = new_id()
            self._connection.execute(
                insert(things).values(id=thing, name=name, current_version=1, created_at=now, updated_at=now)
            )
        identity = content_hash({"currency": currency.code, "content": data})
        known = select(versions).where(parent == thing, versions.c.content_hash == identity)
        row = self._connection.execute(known).one_or_none()
        if row is None:
            newest = self._connection.scalar(select(func.max(versions.c.version)).where(parent == thing))
            self._connection.execute(
                insert(versions).values(
                    {
                        "id": new_id(),
                        parent.name: thing,
                        "version": (newest or 0) + 1,
                        "currency": currency.code,
                        "content": _text(data),
                        "content_hash": identity,
                        "created_at": now,
                    }
                )
            )
            row = self._connection.execute(known).one()
        self._connection.execute(
            update(things).where(things.c.id == thing).values(current_version=row.version, updated_at=now)
        )
        return row


def plan_version(row: Any) -> PlanVersion:
    """Map a row of `plan_version`."""
    return _parsed_plan(row.id, row.version, row.content, row.currency)


# Versions never change, and thousands of subscriptions are to the same few.
@lru_cache(maxsize=256)
def _parsed_plan(version: UUID, number: int, content: str, code: str) -> PlanVersion:
    return PlanVersion(
        id=version, version=number, plan=plan_from_data(json.loads(content)), currency=currency(code)
    )


def addon_version(row: Any) -> AddOnVersion:
    """Map a row of `addon_version`."""
    return _parsed_addon(row.id, row.version, row.content, row.currency)


@lru_cache(maxsize=256)
def _parsed_addon(version: UUID, number: int, content: str, code: str) -> AddOnVersion:
    return AddOnVersion(
        id=version, version=number, addon=addon_from_data(json.loads(content)), currency=currency(code)
    )


def _text(data: _Data) -> str:
    return json.dumps(data, sort_keys=True, separators=(",", ":"))
