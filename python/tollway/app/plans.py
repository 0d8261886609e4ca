"""Plans as the gateway enforces them: a consumer group of the plan's name, with its rate limit."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from tollway.billing.entitlements import offers
from tollway.catalog.models import Catalog, Plan
from tollway.catalog.parse import parse_catalog
from tollway.catalog.service import Action, Applied, Kind, apply_catalog
from tollway.catalog.versions import PlanVersion
from tollway.gateway.models import ConsumerGroup, Plugin
from tollway.gateway.service import Gateway
from tollway.kernel.clock import Clock
from tollway.kernel.errors import Conflict
from tollway.storage.commerce import Commerce
from tollway.storage.gateway import GatewayStore

__all__ = ["apply_catalog_file", "count_plans", "plan_group", "publish_catalog", "tell_offers"]

_RATE_LIMITING = "rate-limiting"


def apply_catalog_file(gateways: GatewayStore, clock: Clock, raw: bytes, source: str) -> list[Applied]:
    """Store a catalog file's meters, plans and add-ons, and bring the plans' groups in line with it.

    `source` is the file's name, for errors. See `publish_catalog`.

    Raises:
        CatalogFaults: names every faulty line.
    """
    return publish_catalog(gateways, clock, parse_catalog(raw, source))


def publish_catalog(
    gateways: GatewayStore,
    clock: Clock,
    catalog: Catalog,
    *,
    standing: Mapping[str, int | None] | None = None,
) -> list[Applied]:
    """Store a catalog's meters, plans and add-ons, and bring the plans' groups in line with it.

    All of it is one transaction. What is the same as before is not written: applying twice changes nothing.
    `standing` names the version of a plan that the catalog was made from, None for a plan that is new.

    Raises:
        Conflict: somebody else has published another version of such a plan meanwhile.
    """
    with gateways.database.write() as connection, gateways.join(connection) as gateway:
        commerce = Commerce(connection, clock)
        for name, version in (standing or {}).items():
            _check_standing(commerce.catalog.plan(name), name, version)
        # The clock is read under the write lock: whoever reads meters waits for it.
        applied = list(apply_catalog(commerce.catalog, catalog, clock.now()))
        for plan in catalog.plans:
            plan_group(gateway, plan)
        tell_offers(gateway, commerce, gateway.shop.get().portal_url)
        changed = {one.name for one in applied if (one.kind, one.action) == (Kind.METER, Action.CHANGED)}
        commerce.subscriptions.retell(changed)
    return applied


def tell_offers(gateway: Gateway, commerce: Commerce, portal_url: str | None) -> None:
    """Have the gateway's refusals name what is on sale, and where."""
    catalog = commerce.catalog
    gateway.shop.set(offers(catalog.plans(), catalog.addons()), portal_url)


def count_plans(gateway: Gateway, commerce: Commerce) -> None:
    """Bring plans' groups in line with where limits are counted now; those that are stay as they are."""
    for version in commerce.catalog.plans():
        group = gateway.consumer_groups.repository.find(name=version.plan.name)
        if group is None or not version.plan.rate_limit:
            continue
        for plugin in gateway.plugins.repository.all(consumer_group_id=group.id):
            if _is_of_plan(plugin) and not _has(plugin.config, gateway.counting):
                plan_group(gateway, version.plan)


def _is_of_plan(plugin: Plugin) -> bool:
    # A plugin for one route or service of the group is somebody's own doing.
    return plugin.name == _RATE_LIMITING and plugin.route_id is None and plugin.service_id is None


def _has(config: Mapping[str, Any], wanted: Mapping[str, Any]) -> bool:
    return all(
        _has(config[name], value) if isinstance(value, Mapping) else config[name] == value
        for name, value in wanted.items()
    )


def _check_standing(present: PlanVersion | None, name: str, version: int | None) -> None:
    found = None if present is None else present.version
    if found == version:
        return
    if version is None:
        raise Conflict(f"there is a plan {name!r} already; open it to make a new version of it")
    raise Conflict(
        f"version {found} of plan {name!r} was published meanwhile; this was made from version {version}"
    )


def plan_group(gateway: Gateway, plan: Plan) -> ConsumerGroup:
    """Return the plan's consumer group, made or brought in line where that is needed."""
    group = gateway.consumer_groups.repository.find(name=plan.name)
    if group is None:
        group = gateway.consumer_groups.create({"name": plan.name})
    if plan.rate_limit:
        limits = {window.value: limit for window, limit in plan.rate_limit.items()}
        gateway.plugins.set_for_group(group.id, _RATE_LIMITING, {**limits, **gateway.counting})
    else:
        for plugin in gateway.plugins.repository.all(consumer_group_id=group.id):
            if _is_of_plan(plugin):
                gateway.plugins.remove(plugin)
    return group
