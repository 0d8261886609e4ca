"""The entities as the Admin API has them: their paths, and below which others they are found."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from tollway.gateway.service import Gateway
from tollway.gateway.service.base import EntityService

__all__ = ["NESTED", "RESOURCES", "Nested", "Resource"]


@dataclass(frozen=True)
class Resource:
    """One kind of entity. `path` is its flat collection, `schema` its name under `/schemas`."""

    path: str
    service: Callable[[Gateway], EntityService[Any]]

    @property
    def parameter(self) -> str:
        """The path parameter's name, as `/endpoints` shows it."""
        return self.path.replace("-", "_")


@dataclass(frozen=True)
class Nested:
    """Children of one entity: `/{parent}/{reference}/{segment}`; `field` is the child's way to its parent."""

    parent: Resource
    segment: str
    child: Resource
    field: str


SERVICES = Resource("services", lambda gateway: gateway.services)
ROUTES = Resource("routes", lambda gateway: gateway.routes)
UPSTREAMS = Resource("upstreams", lambda gateway: gateway.upstreams)
TARGETS = Resource("targets", lambda gateway: gateway.targets)
CERTIFICATES = Resource("certificates", lambda gateway: gateway.certificates)
SNIS = Resource("snis", lambda gateway: gateway.snis)
CA_CERTIFICATES = Resource("ca_certificates", lambda gateway: gateway.ca_certificates)
CONSUMERS = Resource("consumers", lambda gateway: gateway.consumers)
CONSUMER_GROUPS = Resource("consumer_groups", lambda gateway: gateway.consumer_groups)
KEY_AUTHS = Resource("key-auths", lambda gateway: gateway.key_auths)
ACLS = Resource("acls", lambda gateway: gateway.acls)
PLUGINS = Resource("plugins", lambda gateway: gateway.plugins)

# Targets are found below their upstreams alone.
RESOURCES = (
    SERVICES,
    ROUTES,
    UPSTREAMS,
    CERTIFICATES,
    SNIS,
    CA_CERTIFICATES,
    CONSUMERS,
    CONSUMER_GROUPS,
    KEY_AUTHS,
    ACLS,
    PLUGINS,
)

NESTED = (
    Nested(SERVICES, "routes", ROUTES, "service"),
    Nested(SERVICES, "plugins", PLUGINS, "service"),
    Nested(ROUTES, "plugins", PLUGINS, "route"),
    Nested(UPSTREAMS, "targets", TARGETS, "upstream"),
    Nested(CERTIFICATES, "snis", SNIS, "certificate"),
    Nested(CERTIFICATES, "services", SERVICES, "client_certificate"),
    Nested(CERTIFICATES, "upstreams", UPSTREAMS, "client_certificate"),
    Nested(CONSUMERS, "key-auth", KEY_AUTHS, "consumer"),
    Nested(CONSUMERS, "acls", ACLS, "consumer"),
    Nested(CONSUMERS, "plugins", PLUGINS, "consumer"),
    Nested(CONSUMER_GROUPS, "plugins", PLUGINS, "consumer_group"),
)
