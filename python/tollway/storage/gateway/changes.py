"""The journal of configuration changes: one version per writing transaction, rows of keys, never contents.

The version's row is the first thing that a change touches. Its lock is held until the commit, on every
database, so versions are in commit order and no reader sees a newer one before an older one.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Literal, cast
from uuid import UUID

from sqlalchemy import Connection, Select, String, delete, func, insert, literal, select, update
from sqlalchemy import cast as cast_to

from tollway.gateway.ports import Changes
from tollway.storage.tables.gateway import CONFIG_CHANGE, CONFIG_VERSION

__all__ = [
    "BASE",
    "CONSUMERS",
    "KEY_AUTH",
    "ChangeJournal",
    "changes_after",
    "excess",
    "newest_version",
    "prune",
    "versions",
]

BASE: Literal["base"] = "base"
CONSUMERS: Literal["consumers"] = "consumers"
KEY_AUTH: Literal["key_auth"] = "key_auth"


class ChangeJournal:
    """What one transaction changes; `base_changed` and `keys` are what it noted so far."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        self._version: int | None = None
        self._seen: set[tuple[str, str]] = set()

    def note_base(self, key: str) -> None:
        """A part of the base changed, came or went."""
        self._note(BASE, [key])

    def note_consumers(self, ids: Iterable[UUID]) -> None:
        """Rows of these consumers changed, came or went."""
        self._note(CONSUMERS, [str(consumer) for consumer in ids])

    def note_keys(self, hashes: Iterable[str]) -> None:
        """Keys with these hashes changed, came or went."""
        self._note(KEY_AUTH, hashes)

    def note_consumers_in(self, ids: Select[tuple[UUID]]) -> None:
        """Rows of the consumers that a query finds changed: for changes of any size."""
        found = ids.subquery()
        columns = ["version", "table", "key"]
        rows = select(literal(self._open()), literal(CONSUMERS), cast_to(found.c[0], String))
        self._connection.execute(insert(CONFIG_CHANGE).from_select(columns, rows))

    def note_new(self, table: Literal["consumers", "key_auth"], keys: Sequence[str]) -> None:
        """Rows came that were never there and are right: they are not pending."""
        version = self._open()
        rows = [{"version": version, "table": table, "key": key} for key in keys]
        self._connection.execute(insert(CONFIG_CHANGE), rows)

    @property
    def own(self) -> int | None:
        """The version that this transaction makes; None where it changed nothing."""
        return self._version

    def version(self) -> int:
        """Return the newest version, that of this transaction where it changed something."""
        return newest_version(self._connection) if self._version is None else self._version

    def pending(self) -> Changes:
        """Return what was noted key by key and has to be judged."""
        if self._version is None:
            return Changes(self.version())
        return _changes(self._version, self._seen)

    def _open(self) -> int:
        if self._version is None:
            statement = update(CONFIG_VERSION).values(version=CONFIG_VERSION.c.version + 1)
            self._version = self._connection.execute(
                statement.returning(CONFIG_VERSION.c.version)
            ).scalar_one()
        return self._version

    def _note(self, table: str, keys: Iterable[str]) -> None:
        version = self._open()
        fresh = [key for key in dict.fromkeys(keys) if (table, key) not in self._seen]
        if fresh:
            self._seen.update((table, key) for key in fresh)
            self._connection.execute(
                insert(CONFIG_CHANGE), [{"version": version, "table": table, "key": key} for key in fresh]
            )


def versions(connection: Connection) -> tuple[int, int]:
    """Return the newest version, and the one up to which changes were forgotten."""
    newest, pruned_to = connection.execute(select(CONFIG_VERSION.c.version, CONFIG_VERSION.c.pruned_to)).one()
    return newest, pruned_to


def newest_version(connection: Connection) -> int:
    """Return the configuration's version."""
    return cast("int", connection.execute(select(CONFIG_VERSION.c.version)).scalar_one())


def changes_after(connection: Connection, version: int, limit: int) -> Changes | None:
    """Return what changed after `version`; None where that isn't known or is more than `limit` rows."""
    newest, pruned_to = versions(connection)
    if not pruned_to <= version <= newest:
        return None
    rows: Sequence[tuple[str, str]] = [
        (table, key)
        for table, key in connection.execute(
            select(CONFIG_CHANGE.c.table, CONFIG_CHANGE.c.key)
            .where(CONFIG_CHANGE.c.version > version)
            .limit(limit + 1)
        )
    ]
    return None if len(rows) > limit else _changes(newest, rows)


def excess(connection: Connection, keep: int) -> int:
    """Return how many changes there are beyond `keep`; ids have few gaps, counting would read all."""
    first, last = connection.execute(select(func.min(CONFIG_CHANGE.c.id), func.max(CONFIG_CHANGE.c.id))).one()
    return 0 if first is None else max(0, last - first + 1 - keep)


def prune(connection: Connection, count: int) -> None:
    """Forget about `count` of the oldest changes: whole versions, since half of one would be no delta."""
    oldest = select(CONFIG_CHANGE.c.version).order_by(CONFIG_CHANGE.c.id).offset(count - 1).limit(1)
    upto = connection.execute(oldest).scalar_one_or_none()
    if upto is not None:
        connection.execute(delete(CONFIG_CHANGE).where(CONFIG_CHANGE.c.version <= upto))
        connection.execute(update(CONFIG_VERSION).values(pruned_to=upto))


def _changes(version: int, rows: Iterable[tuple[str, str]]) -> Changes:
    keys: dict[str, set[str]] = {BASE: set(), CONSUMERS: set(), KEY_AUTH: set()}
    for table, key in rows:
        keys[table].add(key)
    return Changes(
        version,
        base=bool(keys[BASE]),
        consumers=frozenset(UUID(key) for key in keys[CONSUMERS]),
        key_auth=frozenset(keys[KEY_AUTH]),
    )
