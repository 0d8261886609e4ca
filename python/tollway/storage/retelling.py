"""Which subscriptions the gateway has to be told of anew when a meter comes to count something else."""

from __future__ import annotations

import json
from collections.abc import Collection
from uuid import UUID

from sqlalchemy import Connection, Table, or_, select, update

from tollway.storage.tables.billing import SUBSCRIPTION, SUBSCRIPTION_ITEM, SUBSCRIPTION_PHASE
from tollway.storage.tables.catalog import ADDON_VERSION, PLAN_VERSION

__all__ = ["retell"]


def retell(connection: Connection, meters: Collection[str]) -> None:
    """Have the gateway be told soon of each subscription with a quota of one of these meters.

    The worker does it, some at a time: there may be too many for the transaction that changed the meter.
    """
    if not meters:
        return
    plans, addons = (
        _with_quota(connection, PLAN_VERSION, meters),
        _with_quota(connection, ADDON_VERSION, meters),
    )
    if not plans and not addons:
        return
    phase, item = SUBSCRIPTION_PHASE.c, SUBSCRIPTION_ITEM.c
    connection.execute(
        update(SUBSCRIPTION)
        .where(
            SUBSCRIPTION.c.next_follow_at.is_not(None),
            or_(
                SUBSCRIPTION.c.id.in_(select(phase.subscription_id).where(phase.plan_version_id.in_(plans))),
                SUBSCRIPTION.c.id.in_(select(item.subscription_id).where(item.addon_version_id.in_(addons))),
            ),
        )
        .values(next_follow_at=SUBSCRIPTION.c.starts_at)
    )


def _with_quota(connection: Connection, versions: Table, meters: Collection[str]) -> list[UUID]:
    rows = connection.execute(
        select(versions.c.id, versions.c.content).where(versions.c.content.contains('"quota":'))
    )
    return [row.id for row in rows if not set(meters).isdisjoint(json.loads(row.content).get("quota", {}))]
