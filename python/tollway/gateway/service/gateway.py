"""All of the gateway's use cases over one open transaction."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from tollway.contracts.configuration import FRAME_LIMIT
from tollway.gateway import snapshot
from tollway.gateway.errors import entity_violation
from tollway.gateway.ports import EngineCheck, GatewayRepositories, TaggedEntity
from tollway.gateway.refusal import judge
from tollway.gateway.secrets import KeyVault
from tollway.gateway.service.certificates import CaCertificates, Certificates, Snis
from tollway.gateway.service.consumers import Acls, Consumers
from tollway.gateway.service.groups import ConsumerGroups
from tollway.gateway.service.imports import PreparedImport
from tollway.gateway.service.key_auths import KeyAuths
from tollway.gateway.service.plugins import Plugins
from tollway.gateway.service.routing import Routes, Services
from tollway.gateway.service.shop import ShopService
from tollway.gateway.service.upstreams import Targets, Upstreams
from tollway.kernel.clock import Clock

__all__ = ["LOCAL", "Gateway"]

# A delta holds the base and the changed rows: half a frame for each.
_BASE_LIMIT = FRAME_LIMIT // 2
# How many of the rows that one transaction changed are compiled before it commits. A group's deletion can
# change any number of them, only by leaving something out.
_ROWS_CHECKED = 2_000

LOCAL: Mapping[str, Any] = {"policy": "local"}
"""Limits are counted on the gateway's own machine."""


class Gateway:
    """The gateway's use cases. Everything done through one `Gateway` is committed or undone together."""

    def __init__(
        self,
        repositories: GatewayRepositories,
        *,
        vault: KeyVault,
        engine: EngineCheck,
        clock: Clock,
        brand: str = "tollway",
        counting: Mapping[str, Any] = LOCAL,
    ) -> None:
        """`counting` is the part of rate-limiting's configuration that says where plans are counted."""
        self.counting = counting
        self._repositories = repositories
        self._engine = engine
        self.services = Services(repositories, clock)
        self.routes = Routes(repositories, clock)
        self.upstreams = Upstreams(repositories, clock)
        self.targets = Targets(repositories, clock)
        self.certificates = Certificates(repositories, clock, vault)
        self.snis = Snis(repositories, clock)
        self.ca_certificates = CaCertificates(repositories, clock)
        self.consumers = Consumers(repositories, clock)
        self.key_auths = KeyAuths(repositories, clock, vault, brand)
        self.acls = Acls(repositories, clock)
        self.plugins = Plugins(repositories, clock)
        self.consumer_groups = ConsumerGroups(repositories, clock)
        self.shop = ShopService(repositories)

    @property
    def version(self) -> int:
        """The configuration's version as this transaction sees it, its own changes included."""
        return self._repositories.configuration.version()

    def tags(self, tag: str | None, after: TaggedEntity | None, size: int) -> list[TaggedEntity]:
        """Return which entities have which tags."""
        return self._repositories.tags(tag, after, size)

    def insert(self, prepared: PreparedImport) -> None:
        """Store many new consumers with their keys.

        Names and keys that are taken end the transaction with the database's own error: this is for loads
        into a set known to be disjoint, and looking each one up would make it several times slower.
        """
        self._repositories.insert_consumers(prepared.consumers, prepared.credentials)

    def check(self) -> None:
        """Have the engine compile what this transaction made of the configuration; call it before commit.

        Raises:
            SchemaViolation: the engine would refuse it.
        """
        configuration = self._repositories.configuration
        pending = configuration.pending()
        if pending.base:
            document = configuration.base()
            if len(document) > _BASE_LIMIT:
                raise entity_violation(
                    "all services, routes, plugins, upstreams and certificates together take "
                    f"{len(document)} bytes as JSON and "
                    f"may take {_BASE_LIMIT}; remove some, or shorten their tags and paths"
                )
            judge(lambda: self._engine.base(document))
        if pending.consumers and len(pending.consumers) <= _ROWS_CHECKED:
            entries = configuration.consumers(pending.consumers)
            rows = snapshot.encode([snapshot.consumer_row(entry) for entry in entries])
            judge(lambda: self._engine.rows("consumers", rows))
