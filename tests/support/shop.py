"""Plans and subscriptions over a gateway's configuration, with a clock set by hand."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

from tests.support.commerce import CATALOG
from tests.support.databases import migrated
from tests.support.gateway import Engine, open_store
from tollway.app.plans import apply_catalog_file
from tollway.app.subscriptions import Subscribing
from tollway.contracts.entitlement import EntitlementView
from tollway.gateway.models import Attribution
from tollway.kernel.clock import ManualClock
from tollway.storage.gateway import GatewayStore

__all__ = ["END", "START", "Shop"]

START = datetime(2026, 1, 10, 9, tzinfo=UTC)
END = datetime(2026, 2, 10, 9, tzinfo=UTC)


class Shop:
    def __init__(self, folder: Path) -> None:
        self.clock = ManualClock(START)
        self.engine = Engine()
        self.store: GatewayStore = open_store(migrated(folder), self.engine, self.clock)
        self.subscribing = Subscribing(self.store, self.clock)
        self.apply(CATALOG)

    def apply(self, catalog: str) -> list[tuple[str, str, int | None]]:
        applied = apply_catalog_file(self.store, self.clock, catalog.encode(), "catalog.yaml")
        return [(one.name, one.action.value, one.version) for one in applied]

    def consumer(self, name: str, custom_id: str | None = None) -> None:
        with self.store.write() as gateway:
            gateway.consumers.create({"username": name, "custom_id": custom_id})

    def at_gateway(self, name: str) -> tuple[list[str], Attribution]:
        with self.store.read() as gateway:
            consumer = gateway.consumers.get(name)
            groups = gateway.consumer_groups.groups_of(consumer.id)
            return [group.name for group in groups], consumer.attribution

    def limit(self, group: str) -> dict[str, int] | None:
        with self.store.read() as gateway:
            found = gateway.consumer_groups.get(group)
            plugins = gateway.plugins.repository.all(consumer_group_id=found.id)
            windows = ("second", "minute", "hour", "day", "month", "year")
            limits = [{w: p.config[w] for w in windows if p.config.get(w)} for p in plugins]
        assert len(limits) <= 1
        return limits[0] if limits else None

    def version(self) -> int:
        with self.store.read() as gateway:
            return gateway.version

    def entitlement(self, name: str) -> EntitlementView | None:
        with self.store.read() as gateway:
            return gateway.consumers.get(name).entitlement
