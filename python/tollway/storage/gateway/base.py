"""The complete part of the configuration, put together without reading all of it each time.

Every write that changes the base has the whole of it compiled while it holds the write lock. What didn't
change since the last time is remembered as JSON; the journal says what did.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator
from threading import Lock
from typing import Any, NamedTuple
from uuid import UUID

from sqlalchemy import Connection, func, select

from tollway.gateway import snapshot
from tollway.gateway.models import (
    CaCertificate,
    Certificate,
    ConsumerGroup,
    Entity,
    Plugin,
    Route,
    Service,
    Upstream,
)
from tollway.gateway.secrets import KeyVault
from tollway.gateway.snapshot import BaseEntity
from tollway.storage.gateway.base_parts import KINDS, base_entities, base_key
from tollway.storage.gateway.changes import BASE, versions
from tollway.storage.gateway.shop import SHOP_KEY, read_shop
from tollway.storage.tables.gateway import CONFIG_CHANGE

__all__ = ["BaseCache"]

_LISTS = {
    "services": Service,
    "routes": Route,
    "consumer_groups": ConsumerGroup,
    "plugins": Plugin,
    "upstreams": Upstream,
    "certificates": Certificate,
    "ca_certificates": CaCertificate,
}


class _Fragment(NamedTuple):
    order: tuple[Any, ...]
    json: bytes


class BaseCache:
    """Remembers the base's fragments as they were committed at `_version`, `_doubtful` ones excepted."""

    def __init__(self, vault: KeyVault) -> None:
        self._vault = vault
        self._lock = Lock()
        self._version: int | None = None
        self._fragments: dict[str, _Fragment] = {}
        self._doubtful: set[str] = set()

    def read(self, connection: Connection, own: int | None) -> bytes:
        """Return the base as a transaction sees it, as JSON; `own` is the version that it makes, if any."""
        with self._lock:
            newest, pruned_to = versions(connection)
            committed = newest if own is None else own - 1
            if self._version is not None and self._version > committed:
                # A view from before what is remembered here: rare, and nothing to remember.
                return _joined(_every(connection, self._vault))
            changed: dict[str, int] = {}
            if self._version is None or self._version < pruned_to:
                seen = _every(connection, self._vault)
                changed = dict(_changes(connection, committed))
            else:
                changed = dict(_changes(connection, self._version))
                stale = self._doubtful | changed.keys()
                seen = {key: part for key, part in self._fragments.items() if key not in stale}
                seen.update(_some(connection, self._vault, stale))
            self._fragments = seen
            # What this transaction changed is not committed yet, and may never be.
            self._doubtful = {key for key, version in changed.items() if version > committed}
            self._version = committed
            return _joined(seen)


def _changes(connection: Connection, after: int) -> Iterator[tuple[str, int]]:
    query = (
        select(CONFIG_CHANGE.c.key, func.max(CONFIG_CHANGE.c.version))
        .where(CONFIG_CHANGE.c.table == BASE, CONFIG_CHANGE.c.version > after)
        .group_by(CONFIG_CHANGE.c.key)
    )
    return ((key, version) for key, version in connection.execute(query))


def _every(connection: Connection, vault: KeyVault) -> dict[str, _Fragment]:
    return dict(_fragments(base_entities(connection, vault, None))) | _shop(connection)


def _some(connection: Connection, vault: KeyVault, keys: Iterable[str]) -> dict[str, _Fragment]:
    found: dict[str, _Fragment] = {}
    wanted: dict[str, list[UUID]] = defaultdict(list)
    for key in keys:
        if key == SHOP_KEY:
            found.update(_shop(connection))
            continue
        kind, _, entity_id = key.partition(":")
        wanted[kind].append(UUID(entity_id))
    return found | dict(_fragments(base_entities(connection, vault, wanted)))


def _shop(connection: Connection) -> dict[str, _Fragment]:
    return {SHOP_KEY: _Fragment((), snapshot.shop_part(read_shop(connection)))}


def _fragments(found: Iterable[tuple[Entity, BaseEntity]]) -> Iterator[tuple[str, _Fragment]]:
    """Return fragments by their keys; none where a consumer's row has the entity."""
    for entity, part in found:
        if isinstance(entity, Plugin) and entity.consumer_id is not None:
            continue
        if isinstance(entity, Route):
            # The engine prefers the older of two equal routes.
            order: tuple[Any, ...] = (entity.created_at, entity.id)
        else:
            order = (entity.name,) if isinstance(entity, ConsumerGroup) else (entity.id,)
        yield base_key(type(entity), entity.id), _Fragment(order, snapshot.base_part(part))


def _joined(fragments: dict[str, _Fragment]) -> bytes:
    lists: dict[str, list[_Fragment]] = defaultdict(list)
    for key, fragment in fragments.items():
        lists[key.partition(":")[0]].append(fragment)
    for same in lists.values():
        same.sort(key=lambda fragment: fragment.order)
    return snapshot.join_base(
        **{name: [fragment.json for fragment in lists[KINDS[model]]] for name, model in _LISTS.items()},
        shop=fragments[SHOP_KEY].json,
    )
