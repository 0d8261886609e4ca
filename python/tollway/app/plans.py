"""Plans as the gateway enforces them: a consumer group of the plan's name, with its rate limit."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

from tollway.catalog.models import Catalog, Plan
from tollway.catalog.parse import parse_catalog
from tollway.catalog.service import Applied, apply_catalog
from tollway.gateway.models import ConsumerGroup
from tollway.gateway.service import Gateway
from tollway.kernel.clock import Clock
from tollway.storage.commerce import Commerce
from tollway.storage.gateway import GatewayStore

__all__ = ["AppliedFile", "apply_catalog_file", "plan_group", "publish_catalog"]

_RATE_LIMITING = "rate-limiting"


class AppliedFile(NamedTuple):
    """What became of the things in a file, and what a seller should know of it: a line each."""

    things: list[Applied]
    notes: list[str]


def apply_catalog_file(gateways: GatewayStore, clock: Clock, raw: bytes, source: str) -> AppliedFile:
    """Store a catalog file's meters, plans and add-ons, and bring the plans' groups in line with it.

    `source` is the file's name, for errors. See `publish_catalog`.

    Raises:
        CatalogFaults: names every faulty line.
    """
    return publish_catalog(gateways, clock, parse_catalog(raw, source))


def publish_catalog(gateways: GatewayStore, clock: Clock, catalog: Catalog) -> AppliedFile:
    """Store a catalog's meters, plans and add-ons, and bring the plans' groups in line with it.

    All of it is one transaction. What is the same as before is not written: applying twice changes nothing.
    """
    with gateways.database.write() as connection, gateways.join(connection) as gateway:
        # The clock is read under the write lock: whoever reads meters waits for it.
        applied = list(apply_catalog(Commerce(connection, clock).catalog, catalog, clock.now()))
        for plan in catalog.plans:
            plan_group(gateway, plan)
    return AppliedFile(applied, list(_not_enforced(catalog)))


def _not_enforced(catalog: Catalog) -> Iterator[str]:
    kinds = {
        "quota": any(plan.quota for plan in catalog.plans),
        "features": any(plan.features for plan in catalog.plans)
        or any(addon.features for addon in catalog.addons),
    }
    effects = {
        "quota": "requests beyond it are served and charged",
        "features": "every consumer may use every route",
    }
    for kind, present in kinds.items():
        if present:
            yield f"{kind}: stored, but not enforced yet: {effects[kind]}"


def plan_group(gateway: Gateway, plan: Plan) -> ConsumerGroup:
    """Return the plan's consumer group, made or brought in line where that is needed."""
    group = gateway.consumer_groups.repository.find(name=plan.name)
    if group is None:
        group = gateway.consumer_groups.create({"name": plan.name})
    if plan.rate_limit:
        limits = {window.value: limit for window, limit in plan.rate_limit.items()}
        gateway.plugins.set_for_group(group.id, _RATE_LIMITING, {**limits, "policy": "local"})
    else:
        for plugin in gateway.plugins.repository.all(consumer_group_id=group.id):
            # A plugin for one route or service of the group is somebody's own doing.
            if plugin.name == _RATE_LIMITING and plugin.route_id is None and plugin.service_id is None:
                gateway.plugins.remove(plugin)
    return group
