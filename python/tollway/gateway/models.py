"""The gateway's entities, as Kong knows them. Instants are aware UTC; timeouts are milliseconds."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from tollway.contracts.entitlement import EntitlementView, Offer
from tollway.kernel.mode import Mode

__all__ = [
    "Acl",
    "Attribution",
    "Consumer",
    "ConsumerGroup",
    "Entity",
    "KeyAuth",
    "Plugin",
    "Route",
    "Service",
    "Shop",
]


@dataclass(frozen=True, slots=True, kw_only=True)
class Entity:
    """What every entity has."""

    id: UUID
    tags: tuple[str, ...] | None
    created_at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class Service(Entity):
    """An upstream API."""

    name: str | None
    protocol: str
    host: str
    port: int
    path: str | None
    connect_timeout: int
    write_timeout: int
    read_timeout: int
    retries: int
    enabled: bool
    updated_at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class Route(Entity):
    """A match rule that leads requests to a service."""

    name: str | None
    protocols: tuple[str, ...]
    methods: tuple[str, ...] | None
    hosts: tuple[str, ...] | None
    paths: tuple[str, ...] | None
    headers: Mapping[str, list[str]] | None
    https_redirect_status_code: int
    regex_priority: int
    strip_path: bool
    path_handling: str
    preserve_host: bool
    request_buffering: bool
    response_buffering: bool
    service_id: UUID | None
    updated_at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class Attribution:
    """Who pays for a consumer's requests, under which phase of a subscription, for money or practice."""

    customer_id: UUID | None
    phase_id: UUID | None
    mode: Mode


@dataclass(frozen=True, slots=True, kw_only=True)
class Consumer(Entity):
    """A calling identity; `entitlement` is what its subscription grants now, None without one in force."""

    username: str | None
    custom_id: str | None
    attribution: Attribution
    entitlement: EntitlementView | None
    updated_at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class KeyAuth(Entity):
    """An API key of a consumer. The key itself is nowhere, unless its owner supplied it.

    `hash` is the hex of HMAC-SHA256(pepper, key), `encrypted` a supplied key under the at-rest key. From
    `expires_at` on the key opens nothing; None: it lasts until it is deleted.
    """

    consumer_id: UUID
    hash: str
    pepper_id: str
    last_four: str
    encrypted: bytes | None
    expires_at: datetime | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Acl(Entity):
    """A consumer's membership in a group that the acl plugin tells apart."""

    consumer_id: UUID
    group: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ConsumerGroup(Entity):
    """Consumers that share plugins: a plan is one."""

    name: str
    updated_at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class Plugin(Entity):
    """A request policy, for all requests or for those of a route, service, consumer or group."""

    name: str
    instance_name: str | None
    enabled: bool
    config: Mapping[str, Any]
    protocols: tuple[str, ...]
    service_id: UUID | None
    route_id: UUID | None
    consumer_id: UUID | None
    consumer_group_id: UUID | None
    updated_at: datetime

    @property
    def scope(self) -> str:
        """What may exist once: the plugin's name and everything that it is scoped to."""
        scopes = (self.route_id, self.service_id, self.consumer_id, self.consumer_group_id)
        return ":".join([self.name, *(str(scope) if scope else "" for scope in scopes)])


@dataclass(frozen=True, slots=True)
class Shop:
    """Where refused callers are sent: which plans and add-ons have which feature, and the portal's origin."""

    offers: tuple[Offer, ...] = ()
    portal_url: str | None = None
