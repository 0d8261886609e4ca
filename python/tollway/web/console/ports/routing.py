"""Services and routes, by the same rules as the Admin API."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple, Protocol
from uuid import UUID

from tollway.gateway.models import Plugin, Route, Service

__all__ = [
    "Guards",
    "Placed",
    "Refused",
    "RouteDraft",
    "RouteView",
    "Routing",
    "RoutingView",
    "ServiceDraft",
    "ServiceView",
]


class Refused(Exception):
    """What the gateway would refuse: a sentence for each field, `""` for the thing as a whole."""

    def __init__(self, faults: Mapping[str, str]) -> None:
        self.faults = faults
        super().__init__("; ".join(faults.values()))


@dataclass(frozen=True, slots=True, kw_only=True)
class Guards:
    """What stands before a service or a route: whether a key is needed, and which feature."""

    keys: bool = False
    feature: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class ServiceDraft:
    """A service as a form has it. `url` is the upstream's; times are milliseconds."""

    name: str
    url: str
    retries: int = 5
    connect_timeout: int = 60_000
    read_timeout: int = 60_000
    write_timeout: int = 60_000
    enabled: bool = True
    guards: Guards = Guards()


@dataclass(frozen=True, slots=True, kw_only=True)
class RouteDraft:
    """A route as a form has it; what is empty matches all."""

    name: str
    service: UUID | None
    paths: Sequence[str] = ()
    methods: Sequence[str] = ()
    hosts: Sequence[str] = ()
    strip_path: bool = True
    preserve_host: bool = False
    guards: Guards = Guards()


class Placed(NamedTuple):
    """A service or route with its guards, and the names of every other plugin on it."""

    guards: Guards
    others: Sequence[Plugin]


@dataclass(frozen=True, slots=True, kw_only=True)
class RouteView:
    """A route, what stands before it, and the calls it had in 24 hours."""

    route: Route
    placed: Placed
    calls: int
    errors: int


@dataclass(frozen=True, slots=True, kw_only=True)
class ServiceView:
    """A service with its routes, by name."""

    service: Service
    placed: Placed
    routes: Sequence[RouteView]


@dataclass(frozen=True, slots=True, kw_only=True)
class RoutingView:
    """Every service and route. `stray` routes have no service; `everywhere` are plugins on all requests."""

    services: Sequence[ServiceView]
    stray: Sequence[RouteView]
    everywhere: Sequence[Plugin]
    features: Sequence[str]
    """Features that plans and add-ons have: what may be asked for."""


class Routing(Protocol):
    """Services and routes, by the same rules as the Admin API."""

    def shown(self) -> RoutingView:
        """Return all of them."""

    def service(self, service: UUID) -> ServiceView:
        """Return one. Raises `NotFound`."""

    def route(self, route: UUID) -> RouteView:
        """Return one. Raises `NotFound`."""

    def save_service(self, service: UUID | None, draft: ServiceDraft) -> UUID:
        """Create a service, or change the one of this id; return its id.

        Raises:
            Refused: the gateway would refuse it.
            NotFound: there is none of this id.
        """

    def save_route(self, route: UUID | None, draft: RouteDraft) -> UUID:
        """Create a route, or change the one of this id, as `save_service` does."""

    def create_api(self, service: ServiceDraft, route: RouteDraft) -> None:
        """Create a service and a route that leads to it, both or neither. Raises `Refused`."""

    def delete_service(self, service: UUID) -> None:
        """Delete a service. Raises `Refused` while it has routes."""

    def delete_route(self, route: UUID) -> None:
        """Delete a route with its plugins."""
