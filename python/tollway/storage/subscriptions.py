"""The repository of subscriptions and their phases."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterator, Mapping, Sequence
from datetime import datetime
from typing import Any, NamedTuple
from uuid import UUID

from sqlalchemy import Connection, Row, Table, bindparam, delete, false, insert, or_, select, update

from tollway.billing.models import Phase, Subscription, SubscriptionItem
from tollway.catalog.versions import AddOnVersion, PlanVersion
from tollway.kernel.errors import NotFound
from tollway.kernel.mode import Mode
from tollway.storage.catalog import addon_version, plan_version
from tollway.storage.retelling import retell
from tollway.storage.statements import portions
from tollway.storage.tables.billing import SUBSCRIPTION, SUBSCRIPTION_ITEM, SUBSCRIPTION_PHASE
from tollway.storage.tables.catalog import ADDON_VERSION, PLAN_VERSION

__all__ = ["SqlSubscriptions"]


class SqlSubscriptions:
    """`tollway.billing.ports.Subscriptions` within the transaction of a connection."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    def get(self, subscription: UUID, *, lock: bool = False) -> Subscription:
        """See `Subscriptions.get`."""
        found = self.get_many([subscription], lock=lock)
        if not found:
            raise NotFound("subscription", str(subscription))
        return found[subscription]

    def get_many(self, subscriptions: Collection[UUID], *, lock: bool = False) -> Mapping[UUID, Subscription]:
        """See `Subscriptions.get_many`."""
        # Ordered, so that two who lock some of the same can't wait for each other.
        query = select(SUBSCRIPTION).where(SUBSCRIPTION.c.id.in_(subscriptions)).order_by(SUBSCRIPTION.c.id)
        # SQLite has no row locks and needs none: a write transaction is alone.
        rows = self._connection.execute(query.with_for_update() if lock else query).all()
        return {subscription.id: subscription for subscription in self._subscriptions(rows)}

    def current_of(self, consumer: UUID, at: datetime) -> Subscription | None:
        """See `Subscriptions.current_of`."""
        row = self._connection.execute(
            select(SUBSCRIPTION)
            .where(
                SUBSCRIPTION.c.consumer_id == consumer,
                or_(SUBSCRIPTION.c.ends_at.is_(None), SUBSCRIPTION.c.ends_at > at),
            )
            .order_by(SUBSCRIPTION.c.starts_at.desc(), SUBSCRIPTION.c.id.desc())
            .limit(1)
        ).one_or_none()
        return None if row is None else self._subscriptions([row])[0]

    def save(self, subscription: Subscription) -> None:
        """See `Subscriptions.save`."""
        values = {
            "mode": subscription.mode.value,
            "seller_entity_id": subscription.seller_entity,
            "customer_id": subscription.customer,
            "consumer_id": subscription.consumer,
            "consumer_name": subscription.consumer_name,
            "currency": subscription.currency,
            "starts_at": subscription.starts_at,
            "ends_at": subscription.ends_at,
            "cancelled_at": subscription.cancelled_at,
            # Whatever was changed, the next run looks at it and says when the one after must.
            "next_bill_at": subscription.starts_at,
            "created_at": subscription.created_at,
        }
        known = SUBSCRIPTION.c.id == subscription.id
        if self._connection.execute(update(SUBSCRIPTION).where(known).values(values)).rowcount == 0:
            first = {"id": subscription.id, "next_follow_at": subscription.starts_at}
            self._connection.execute(insert(SUBSCRIPTION).values({**first, **values}))
        self._save_phases(subscription)
        self._save_items(subscription)

    def overdue(self, now: datetime, mode: Mode | None = None) -> Sequence[UUID]:
        """See `Subscriptions.overdue`."""
        query = (
            select(SUBSCRIPTION.c.id)
            .where(SUBSCRIPTION.c.next_follow_at <= now)
            .order_by(SUBSCRIPTION.c.next_follow_at, SUBSCRIPTION.c.id)
        )
        if mode is not None:
            query = query.where(SUBSCRIPTION.c.mode == mode.value)
        return list(self._connection.scalars(query))

    def follow_at(self, subscription: UUID, at: datetime | None) -> None:
        """See `Subscriptions.follow_at`."""
        known = SUBSCRIPTION.c.id == subscription
        self._connection.execute(update(SUBSCRIPTION).where(known).values(next_follow_at=at))

    def retell(self, meters: Collection[str]) -> None:
        """See `Subscriptions.retell`."""
        retell(self._connection, meters)

    def all(self, mode: Mode | None = None) -> Sequence[Subscription]:
        """See `Subscriptions.all`."""
        query = select(SUBSCRIPTION).order_by(SUBSCRIPTION.c.starts_at, SUBSCRIPTION.c.id)
        if mode is not None:
            query = query.where(SUBSCRIPTION.c.mode == mode.value)
        return self._subscriptions(self._connection.execute(query).all())

    def due(self, mode: Mode | None, until: datetime, *, ended: bool) -> Sequence[UUID]:
        """See `Subscriptions.due`."""
        c = SUBSCRIPTION.c
        query = select(c.id).where(or_(c.next_bill_at <= until, c.ends_at <= until if ended else false()))
        if mode is not None:
            query = query.where(c.mode == mode.value)
        return list(self._connection.scalars(query.order_by(c.starts_at, c.id)))

    def schedule(self, instants: Mapping[UUID, datetime]) -> None:
        """See `Subscriptions.schedule`."""
        if not instants:
            return
        self._connection.execute(
            update(SUBSCRIPTION).where(SUBSCRIPTION.c.id == bindparam("subscription")),
            [{"subscription": id_, "next_bill_at": at} for id_, at in sorted(instants.items())],
        )

    def _save_phases(self, subscription: Subscription) -> None:
        of_subscription = SUBSCRIPTION_PHASE.c.subscription_id == subscription.id
        kept = [phase.id for phase in subscription.phases]
        # A phase that is given up never began, so no event and no invoice line names it.
        self._connection.execute(
            delete(SUBSCRIPTION_PHASE).where(of_subscription, SUBSCRIPTION_PHASE.c.id.not_in(kept))
        )
        for phase in subscription.phases:
            values = {
                "subscription_id": subscription.id,
                "position": phase.position,
                "plan_version_id": phase.plan.id,
                "anchor": phase.anchor,
                "starts_at": phase.starts_at,
                "ends_at": phase.ends_at,
            }
            known = SUBSCRIPTION_PHASE.c.id == phase.id
            changed = self._connection.execute(update(SUBSCRIPTION_PHASE).where(known).values(values))
            if changed.rowcount == 0:
                self._connection.execute(insert(SUBSCRIPTION_PHASE).values({"id": phase.id, **values}))

    def _save_items(self, subscription: Subscription) -> None:
        for item in subscription.items:
            values = {
                "subscription_id": subscription.id,
                "position": item.position,
                "addon_version_id": item.addon.id,
                "starts_at": item.starts_at,
                "ends_at": item.ends_at,
            }
            known = SUBSCRIPTION_ITEM.c.id == item.id
            changed = self._connection.execute(update(SUBSCRIPTION_ITEM).where(known).values(values))
            if changed.rowcount == 0:
                self._connection.execute(insert(SUBSCRIPTION_ITEM).values({"id": item.id, **values}))

    def _subscriptions(self, rows: Sequence[Row[Any]]) -> list[Subscription]:
        ids = [row.id for row in rows]
        phases, items = self._of(SUBSCRIPTION_PHASE, ids), self._of(SUBSCRIPTION_ITEM, ids)
        plans = self._versions(
            PLAN_VERSION, {phase.plan_version_id for of in phases.values() for phase in of}
        )
        addons = self._versions(
            ADDON_VERSION, {item.addon_version_id for of in items.values() for item in of}
        )
        sold = _Versions(
            {row.id: plan_version(row) for row in plans}, {row.id: addon_version(row) for row in addons}
        )
        return [_subscription(row, phases[row.id], items[row.id], sold) for row in rows]

    def _of(self, table: Table, subscriptions: Sequence[UUID]) -> Mapping[UUID, Sequence[Row[Any]]]:
        """Return what `table` has of each subscription, by position."""
        found: dict[UUID, list[Row[Any]]] = defaultdict(list)
        c = table.c
        for some in portions(subscriptions):
            query = select(table).where(c.subscription_id.in_(some)).order_by(c.subscription_id, c.position)
            for row in self._connection.execute(query):
                found[row.subscription_id].append(row)
        return found

    def _versions(self, table: Table, ids: Collection[UUID]) -> Iterator[Row[Any]]:
        for some in portions(list(ids)):
            yield from self._connection.execute(select(table).where(table.c.id.in_(some)))


class _Versions(NamedTuple):
    plans: Mapping[UUID, PlanVersion]
    addons: Mapping[UUID, AddOnVersion]


def _subscription(row: Any, phases: Sequence[Any], items: Sequence[Any], sold: _Versions) -> Subscription:
    return Subscription(
        id=row.id,
        mode=Mode(row.mode),
        seller_entity=row.seller_entity_id,
        customer=row.customer_id,
        consumer=row.consumer_id,
        consumer_name=row.consumer_name,
        currency=row.currency,
        starts_at=row.starts_at,
        ends_at=row.ends_at,
        cancelled_at=row.cancelled_at,
        created_at=row.created_at,
        phases=tuple(
            Phase(
                id=phase.id,
                position=phase.position,
                plan=sold.plans[phase.plan_version_id],
                anchor=phase.anchor,
                starts_at=phase.starts_at,
                ends_at=phase.ends_at,
            )
            for phase in phases
        ),
        items=tuple(
            SubscriptionItem(
                id=item.id,
                position=item.position,
                addon=sold.addons[item.addon_version_id],
                starts_at=item.starts_at,
                ends_at=item.ends_at,
            )
            for item in items
        ),
    )
