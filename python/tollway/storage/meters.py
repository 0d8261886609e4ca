"""Meters as metering has to read them: all that there ever were, and none that is half stored."""

from __future__ import annotations

import json
from collections import defaultdict
from datetime import datetime
from typing import NamedTuple
from uuid import UUID

from sqlalchemy import Connection, select

from tollway.catalog.canonical import meter_from_data
from tollway.catalog.models import Meter
from tollway.storage.retelling import retell
from tollway.storage.statements import upsert
from tollway.storage.tables.catalog import METER, METER_ROUTE
from tollway.storage.tables.gateway import ROUTE

__all__ = ["StoredMeter", "hold_named_route", "hold_routes", "stored_meters"]


class StoredMeter(NamedTuple):
    """One version of a meter, in force in `[effective_from, effective_until)`."""

    id: UUID
    meter: Meter
    effective_from: datetime
    effective_until: datetime | None
    routes: frozenset[UUID]
    """The routes that its filter means, by all names they have had since it came into effect."""


def hold_routes(connection: Connection, meter_id: UUID, meter: Meter) -> None:
    """Keep which routes have the names that a new meter's filter gives."""
    found = connection.scalars(select(ROUTE.c.id).where(ROUTE.c.name.in_(meter.filter.route)))
    _hold(connection, [(meter_id, route) for route in found])


def hold_named_route(connection: Connection, route: UUID, name: str) -> None:
    """Keep that a route has got a name: the meters in force whose filters give it count this route too."""
    quoted = json.dumps(name)
    rows = connection.execute(
        select(METER.c.id, METER.c.content).where(
            METER.c.effective_until.is_(None), METER.c.content.contains(quoted, autoescape=True)
        )
    )
    meters = [(row.id, meter_from_data(json.loads(row.content))) for row in rows]
    counting = [(id_, meter) for id_, meter in meters if name in meter.filter.route]
    _hold(connection, [(id_, route) for id_, _ in counting])
    # The gateway counts quotas by routes' ids.
    retell(connection, {meter.name for _, meter in counting})


def _hold(connection: Connection, pairs: list[tuple[UUID, UUID]]) -> None:
    if pairs:
        connection.execute(
            upsert(connection, METER_ROUTE).on_conflict_do_nothing(),
            [{"meter_id": meter, "route_id": route} for meter, route in pairs],
        )


def stored_meters(connection: Connection) -> list[StoredMeter]:
    """Return every version of every meter.

    A meter comes into effect at an instant taken within the transaction that stores it, some moments
    before others see it. Where those moments matter, `connection` is in a write transaction: it had to wait
    for the other one to end.
    """
    rows = connection.execute(select(METER).order_by(METER.c.effective_from, METER.c.id))
    routes: dict[UUID, set[UUID]] = defaultdict(set)
    for held in connection.execute(select(METER_ROUTE)):
        routes[held.meter_id].add(held.route_id)
    return [
        StoredMeter(
            row.id,
            meter_from_data(json.loads(row.content)),
            row.effective_from,
            row.effective_until,
            frozenset(routes[row.id]),
        )
        for row in rows
    ]
