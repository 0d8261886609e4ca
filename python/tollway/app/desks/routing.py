"""Services and routes as the console shows and changes them: through the service that the Admin API uses."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from datetime import timedelta
from typing import Any, NamedTuple
from uuid import UUID

from tollway.gateway.errors import KongError, SchemaViolation, UniqueViolation
from tollway.gateway.models import Plugin, Route, Service
from tollway.gateway.schema.violation import flatten
from tollway.gateway.service import Gateway
from tollway.kernel.clock import Clock
from tollway.kernel.errors import InvalidInput, NotFound
from tollway.metering.activity import ActivityQuery
from tollway.storage.commerce import Commerce
from tollway.storage.gateway import GatewayStore
from tollway.web.console.ports.routing import (
    Guards,
    Placed,
    Refused,
    RouteDraft,
    RouteView,
    RoutingView,
    ServiceDraft,
    ServiceView,
)

__all__ = ["RoutingDesk"]

_KEY_AUTH, _ENTITLEMENT = "key-auth", "entitlement"
_DAY = timedelta(days=1)


class _Calls(NamedTuple):
    calls: int
    errors: int


_NO_CALLS = _Calls(0, 0)


class RoutingDesk:
    """`tollway.web.console.ports.routing.Routing`."""

    def __init__(self, gateways: GatewayStore, activity: ActivityQuery, clock: Clock) -> None:
        self._gateways = gateways
        self._activity = activity
        self._clock = clock

    def shown(self) -> RoutingView:
        """See `Routing.shown`."""
        calls = self._calls()
        with self._gateways.database.read() as connection:
            gateway = self._gateways.over(connection)
            catalog = Commerce(connection, self._clock).catalog
            features = {name for version in catalog.plans() for name in version.plan.features}
            features |= {name for version in catalog.addons() for name in version.addon.features}
            services = sorted(gateway.services.repository.all(), key=lambda one: (one.name or "", one.id))
            stray = gateway.routes.repository.all(service_id=None)
            plugins = gateway.plugins.repository.all()
            return RoutingView(
                services=[_service(gateway, one, calls) for one in services],
                stray=[_route(gateway, one, calls) for one in stray],
                everywhere=[plugin for plugin in plugins if _scope(plugin) == (None,) * 4],
                features=sorted(features),
            )

    def service(self, service: UUID) -> ServiceView:
        """See `Routing.service`."""
        with self._gateways.read() as gateway:
            return _service(gateway, gateway.services.get(str(service)), self._calls())

    def route(self, route: UUID) -> RouteView:
        """See `Routing.route`."""
        with self._gateways.read() as gateway:
            return _route(gateway, gateway.routes.get(str(route)), self._calls())

    def save_service(self, service: UUID | None, draft: ServiceDraft) -> UUID:
        """See `Routing.save_service`."""
        with self._change() as gateway:
            return _save_service(gateway, service, draft)

    def save_route(self, route: UUID | None, draft: RouteDraft) -> UUID:
        """See `Routing.save_route`."""
        with self._change() as gateway:
            return _save_route(gateway, route, draft)

    def create_api(self, service: ServiceDraft, route: RouteDraft) -> None:
        """See `Routing.create_api`."""
        with self._change() as gateway:
            _save_route(gateway, None, replace(route, service=_save_service(gateway, None, service)))

    def delete_service(self, service: UUID) -> None:
        """See `Routing.delete_service`."""
        with self._change() as gateway:
            gateway.services.delete(str(service))

    def delete_route(self, route: UUID) -> None:
        """See `Routing.delete_route`."""
        with self._change() as gateway:
            gateway.routes.delete(str(route))

    @contextmanager
    def _change(self) -> Iterator[Gateway]:
        try:
            with self._gateways.write() as gateway:
                yield gateway
        except NotFound:
            raise
        except KongError as error:
            raise Refused(_faults(error)) from error
        except InvalidInput as error:
            raise Refused({"": f"{error.problem}; {error.fix}" if error.fix else error.problem}) from error

    def _calls(self) -> Mapping[UUID, _Calls]:
        now = self._clock.now()
        sums: dict[UUID, _Calls] = defaultdict(lambda: _NO_CALLS)
        for row in self._activity.activity(start=now - _DAY, end=now + _DAY, by=("route", "status")):
            route, status = row.keys
            if isinstance(route, UUID):
                failed = row.requests if isinstance(status, int) and status >= 500 else 0
                known = sums[route]
                sums[route] = _Calls(known.calls + row.requests, known.errors + failed)
        return sums


def _save_service(gateway: Gateway, service: UUID | None, draft: ServiceDraft) -> UUID:
    document = {
        "name": draft.name or None,
        "url": draft.url,
        "retries": draft.retries,
        "connect_timeout": draft.connect_timeout,
        "read_timeout": draft.read_timeout,
        "write_timeout": draft.write_timeout,
        "enabled": draft.enabled,
    }
    services = gateway.services
    stored = services.create(document) if service is None else services.update(str(service), document)
    _guard(gateway, "service", stored.id, draft.guards)
    return stored.id


def _save_route(gateway: Gateway, route: UUID | None, draft: RouteDraft) -> UUID:
    document: dict[str, Any] = {
        "name": draft.name or None,
        "service": None if draft.service is None else {"id": str(draft.service)},
        "paths": list(draft.paths) or None,
        "methods": list(draft.methods) or None,
        "hosts": list(draft.hosts) or None,
        "strip_path": draft.strip_path,
        "preserve_host": draft.preserve_host,
    }
    routes = gateway.routes
    stored = routes.create(document) if route is None else routes.update(str(route), document)
    _guard(gateway, "route", stored.id, draft.guards)
    return stored.id


def _service(gateway: Gateway, service: Service, calls: Mapping[UUID, _Calls]) -> ServiceView:
    routes = sorted(
        gateway.routes.repository.all(service_id=service.id), key=lambda one: (one.name or "", one.id)
    )
    plugins = gateway.plugins.repository.all(service_id=service.id)
    return ServiceView(
        service=service,
        placed=_placed([plugin for plugin in plugins if plugin.route_id is None]),
        routes=[_route(gateway, one, calls) for one in routes],
    )


def _route(gateway: Gateway, route: Route, calls: Mapping[UUID, _Calls]) -> RouteView:
    seen = calls.get(route.id, _NO_CALLS)
    plugins = gateway.plugins.repository.all(route_id=route.id)
    return RouteView(route=route, placed=_placed(plugins), calls=seen.calls, errors=seen.errors)


def _placed(plugins: Sequence[Plugin]) -> Placed:
    keys = next((one for one in plugins if _guards(one, _KEY_AUTH)), None)
    feature = next((one for one in plugins if _guards(one, _ENTITLEMENT) and one.config.get("feature")), None)
    guards = Guards(
        keys=keys is not None and keys.enabled,
        feature="" if feature is None or not feature.enabled else str(feature.config["feature"]),
    )
    return Placed(guards, [one for one in plugins if one is not keys and one is not feature])


def _guards(plugin: Plugin, name: str) -> bool:
    """Whether a plugin is the one that a form switches: for everybody, not for one consumer or group."""
    return plugin.name == name and plugin.consumer_id is None and plugin.consumer_group_id is None


def _guard(gateway: Gateway, kind: str, owner: UUID, wanted: Guards) -> None:
    """Bring the two guards in line; one that is right already is not touched, nor is any other plugin."""
    scope: Mapping[str, Any] = {f"{kind}_id": owner}
    present = [
        one
        for one in gateway.plugins.repository.all(**scope)
        if kind == "route" or one.route_id is None  # a plugin for one route of the service is another's
    ]

    def bring(name: str, config: Mapping[str, Any] | None, same: Callable[[Plugin], bool]) -> None:
        found = next((one for one in present if _guards(one, name)), None)
        if config is None:
            # One that asks for no feature keeps quotas alone, which no form here switches.
            if found is not None and (name == _KEY_AUTH or found.config.get("feature")):
                gateway.plugins.remove(found)
        elif found is None:
            gateway.plugins.create({"name": name, kind: {"id": str(owner)}, "config": config})
        elif not (found.enabled and same(found)):
            gateway.plugins.update(str(found.id), {"enabled": True, "config": config})

    bring(_KEY_AUTH, {} if wanted.keys else None, lambda _: True)
    feature = {"feature": wanted.feature} if wanted.feature else None
    bring(_ENTITLEMENT, feature, lambda one: one.config.get("feature") == wanted.feature)


def _scope(plugin: Plugin) -> tuple[UUID | None, ...]:
    return plugin.service_id, plugin.route_id, plugin.consumer_id, plugin.consumer_group_id


def _faults(error: KongError) -> dict[str, str]:
    """Return Kong's faults by field, the sentences of lists and maps joined."""
    if isinstance(error, UniqueViolation):
        # It is told as the value that is taken, which says nothing beside its field.
        return dict.fromkeys(error.fields, "another one has this already")
    if not isinstance(error, SchemaViolation):
        return {"": error.message}
    found: dict[str, list[str]] = defaultdict(list)
    for path, sentence in flatten(error.fields):
        name, _, where = path.partition(".")
        found[name].append(f"{where}: {sentence}" if where else sentence)
    return {name: "; ".join(sentences) for name, sentences in found.items()}
