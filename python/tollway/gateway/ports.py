"""What the gateway's domain needs from outside: a place for its entities, and the engine's judgement.

Every repository is bound to one open transaction, and notes each change that gateways have to hear of in
that same transaction; nothing else has to remember to.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Literal, NamedTuple, Protocol, TypeVar
from uuid import UUID

from tollway.contracts.configuration import UpstreamHealth
from tollway.contracts.entitlement import EntitlementView
from tollway.gateway.models import (
    Acl,
    CaCertificate,
    Certificate,
    Consumer,
    ConsumerGroup,
    Entity,
    KeyAuth,
    Plugin,
    Route,
    Service,
    Shop,
    Sni,
    Target,
    Upstream,
)

__all__ = [
    "CertificateEntry",
    "Changes",
    "ConfigurationReader",
    "ConfigurationSource",
    "ConnectedGateways",
    "ConsumerEntry",
    "EngineCheck",
    "EntityRepository",
    "GatewayRepositories",
    "GatewayState",
    "KeyAuthRepository",
    "KeyEntry",
    "Members",
    "ShopRepository",
    "TagFilter",
    "TaggedEntity",
    "UpstreamEntry",
]

M = TypeVar("M", bound=Entity)


@dataclass(frozen=True, slots=True)
class TagFilter:
    """Which tags an entity must have: all of them, or any."""

    tags: tuple[str, ...]
    every: bool = True


@dataclass(frozen=True, slots=True)
class TaggedEntity:
    """One tag on one entity."""

    entity_name: str
    entity_id: UUID
    tag: str


class EntityRepository(Protocol[M]):
    """The entities of one kind."""

    def get(self, entity_id: UUID) -> M | None:
        """Return the entity with this id."""

    def find(self, **attributes: Any) -> M | None:
        """Return the entity with these unique attributes."""

    def all(self, **attributes: Any) -> list[M]:
        """Return every entity with these attributes, ordered by id."""

    def page(
        self, *, after: UUID | None, size: int, tags: TagFilter | None, attributes: Mapping[str, Any]
    ) -> list[M]:
        """Return up to `size` entities whose id comes after `after`, ordered by id."""

    def insert(self, entity: M) -> None:
        """Store a new entity."""

    def update(self, before: M, after: M) -> None:
        """Store `after` in the place of `before`."""

    def delete(self, entity: M) -> None:
        """Remove an entity to which nothing refers."""


class KeyAuthRepository(EntityRepository[KeyAuth], Protocol):
    """API keys."""

    def ended(self, *, before: datetime, limit: int) -> list[KeyAuth]:
        """Return up to `limit` keys that ended before this instant."""


class Members(Protocol):
    """Which consumers are in which groups."""

    def add(self, group: UUID, consumer: UUID) -> bool:
        """Put a consumer into a group; False where it was there."""

    def remove(self, group: UUID, consumer: UUID) -> bool:
        """Take a consumer out of a group; False where it wasn't there."""

    def remove_all(self, *, group: UUID | None = None, consumer: UUID | None = None) -> None:
        """Empty a group, or take a consumer out of every group."""

    def groups_of(self, consumer: UUID) -> list[ConsumerGroup]:
        """Return the groups that a consumer is in, by name."""

    def consumers_of(self, group: UUID) -> list[Consumer]:
        """Return who is in a group, by id."""

    def has(self, group: UUID, consumer: UUID) -> bool:
        """Whether a consumer is in a group."""


class ConsumerEntry(NamedTuple):
    """What a gateway needs of a consumer: groups in the order of their names, acl groups, its own plugins.

    Neither this nor `KeyEntry` is an entity: a full resync reads hundreds of thousands of them.
    """

    id: UUID
    username: str | None
    custom_id: str | None
    customer_id: UUID | None
    phase_id: UUID | None
    mode: Literal["live", "test"]
    groups: Sequence[UUID] = ()
    acls: Sequence[str] = ()
    plugins: Sequence[Plugin] = ()
    entitlement: EntitlementView | None = None


class KeyEntry(NamedTuple):
    """What a gateway needs of an API key."""

    id: UUID
    hash: str
    consumer_id: UUID
    expires_at: datetime | None


class UpstreamEntry(NamedTuple):
    """What a gateway needs of an upstream: itself, and its targets in the order of their ids."""

    upstream: Upstream
    targets: Sequence[Target]


class CertificateEntry(NamedTuple):
    """What a gateway needs of a certificate, private keys in plain text among it."""

    certificate: Certificate
    key: str
    key_alt: str | None

    def __repr__(self) -> str:
        """Return a text without keys."""
        return f"CertificateEntry({self.certificate.id})"


class ShopRepository(Protocol):
    """What there is to buy, as far as refusals speak of it."""

    def get(self) -> Shop:
        """Return it; an empty one where none was stored."""

    def put(self, shop: Shop) -> None:
        """Store it in the place of what was there."""


@dataclass(frozen=True, slots=True)
class Changes:
    """What changed: whether the base did, and the keys of each table, gone ones among them."""

    version: int
    base: bool = False
    consumers: frozenset[UUID] = field(default_factory=frozenset)
    key_auth: frozenset[str] = field(default_factory=frozenset)

    @property
    def count(self) -> int:
        """How many rows of keyed tables."""
        return len(self.consumers) + len(self.key_auth)


class ConfigurationReader(Protocol):
    """The configuration as one transaction sees it."""

    def version(self) -> int:
        """Return the newest version."""

    def pending(self) -> Changes:
        """Return what this very transaction has changed so far."""

    def changes_after(self, version: int, limit: int) -> Changes | None:
        """Return what changed after `version`.

        None where that isn't known (any more) or would be over `limit` rows: everything has to be sent.
        """

    def base(self) -> bytes:
        """Return the complete part as JSON; `tollway.gateway.snapshot` says how."""

    def consumers(self, ids: Iterable[UUID]) -> list[ConsumerEntry]:
        """Return those of the consumers that there are."""

    def key_auths(self, hashes: Iterable[str]) -> list[KeyEntry]:
        """Return those of the keys that there are."""

    def every_consumer(self) -> Iterator[list[ConsumerEntry]]:
        """Return all consumers, up to 1,000 at a time."""

    def every_key_auth(self) -> Iterator[list[KeyEntry]]:
        """Return all keys, up to 1,000 at a time."""


class ConfigurationSource(Protocol):
    """Where a publisher reads from."""

    def read(self) -> AbstractContextManager[ConfigurationReader]:
        """Open one consistent view."""

    def watch(self) -> AbstractContextManager[Callable[[], int]]:
        """Give a function that returns the newest committed version; it may be asked 40 times a second.

        It belongs to the thread that opened it.
        """

    def prune(self, keep: int) -> bool:
        """Forget a bounded number of changes beyond the newest `keep`; return whether there are more."""


@dataclass(frozen=True, slots=True)
class GatewayState:
    """A connected gateway: `applied` is the version that it judges by, `rejected` one that it can't run."""

    node: str
    epoch: int
    applied: int | None
    rejected: int | None

    def as_json(self) -> dict[str, Any]:
        """Return it for a status page."""
        return {"node": self.node, "epoch": self.epoch, "applied": self.applied, "rejected": self.rejected}


class ConnectedGateways(Protocol):
    """The gateways that are connected, and which configuration they judge by."""

    def connected(self) -> list[GatewayState]:
        """Return the state of each."""

    def health(self, upstream: UUID) -> list[UpstreamHealth]:
        """Return how each of them finds an upstream."""

    def set_health(self, upstream: UUID, target: UUID, address: str | None, *, healthy: bool) -> None:
        """Tell each of them an operator's word on a target, or on one of its addresses (`ip:port`)."""

    def wait_applied(self, version: int, timeout: float) -> str | None:
        """Wait up to `timeout` seconds until every connected gateway judges by `version` or a newer one.

        Returns None when they do (or there is none), otherwise a sentence that says who doesn't and why.
        """


class GatewayRepositories(Protocol):
    """Everything that is bound to one transaction. Make one of it per transaction."""

    @property
    def services(self) -> EntityRepository[Service]: ...
    @property
    def routes(self) -> EntityRepository[Route]: ...
    @property
    def upstreams(self) -> EntityRepository[Upstream]: ...
    @property
    def targets(self) -> EntityRepository[Target]: ...
    @property
    def certificates(self) -> EntityRepository[Certificate]: ...
    @property
    def snis(self) -> EntityRepository[Sni]: ...
    @property
    def ca_certificates(self) -> EntityRepository[CaCertificate]: ...
    @property
    def consumers(self) -> EntityRepository[Consumer]: ...
    @property
    def key_auths(self) -> KeyAuthRepository: ...
    @property
    def acls(self) -> EntityRepository[Acl]: ...
    @property
    def plugins(self) -> EntityRepository[Plugin]: ...
    @property
    def consumer_groups(self) -> EntityRepository[ConsumerGroup]: ...
    @property
    def members(self) -> Members: ...
    @property
    def shop(self) -> ShopRepository: ...
    @property
    def configuration(self) -> ConfigurationReader: ...

    def plugin_names(self) -> list[str]:
        """Return the names of plugins that are in use, in order."""

    def tags(self, tag: str | None, after: TaggedEntity | None, size: int) -> list[TaggedEntity]:
        """Return every tag of every entity, ordered by tag, kind and id."""

    def insert_consumers(self, consumers: Sequence[Consumer], keys: Sequence[KeyAuth]) -> None:
        """Store many new consumers and their keys."""


class EngineCheck(Protocol):
    """The engine's own judgement of a configuration: what it would refuse is refused before it is stored."""

    def base(self, document: bytes) -> None:
        """Compile a base (JSON).

        Raises:
            InvalidInput: with the engine's location, problem and fix.
        """

    def rows(self, table: str, rows: bytes) -> None:
        """Compile rows of a keyed table (a JSON list).

        Raises:
            InvalidInput: with the engine's location, problem and fix.
        """
