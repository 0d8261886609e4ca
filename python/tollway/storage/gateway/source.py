"""Where a publisher reads the configuration from."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager

from sqlalchemy.engine.interfaces import DBAPICursor

from tollway.gateway.secrets import KeyVault
from tollway.storage.database import Database
from tollway.storage.gateway.base import BaseCache
from tollway.storage.gateway.changes import ChangeJournal, excess, newest_version, prune
from tollway.storage.gateway.configuration import SqlConfiguration

__all__ = ["SqlConfigurationSource"]

# At a few µs a row this keeps the write lock well below 20 ms.
_PRUNED_AT_ONCE = 2_000


class _Glance:
    def __init__(self, cursor: DBAPICursor, newest: Callable[[], int]) -> None:
        self._cursor = cursor
        self._newest = newest
        self._count: int | None = None
        self._version = 0

    def __call__(self) -> int:
        self._cursor.execute("PRAGMA data_version")
        row = self._cursor.fetchone()
        count = row[0] if row else None
        if count is None or count != self._count:
            # The count first: a commit in between is seen the next time.
            self._version = self._newest()
            self._count = count
        return self._version


class SqlConfigurationSource:
    """`tollway.gateway.ports.ConfigurationSource` over a database."""

    def __init__(self, database: Database, vault: KeyVault) -> None:
        self._database = database
        self._cache = BaseCache(vault)

    @contextmanager
    def read(self) -> Iterator[SqlConfiguration]:
        """Open one consistent view."""
        with self._database.read() as connection:
            yield SqlConfiguration(connection, ChangeJournal(connection), self._cache)

    @contextmanager
    def watch(self) -> Iterator[Callable[[], int]]:
        """Give a function that returns the newest committed version.

        SQLite counts the commits of other connections in memory that all of them share. Reading that count
        costs a fraction of a query, and nearly always says that there is nothing new.
        """
        if self._database.engine.dialect.name != "sqlite":
            # A connection kept open and no transaction: one round trip for each look.
            with self._database.engine.connect() as open_one:
                connected = open_one.execution_options(isolation_level="AUTOCOMMIT")
                yield lambda: newest_version(connected)
            return
        connection = self._database.engine.raw_connection()
        try:
            yield _Glance(connection.cursor(), self._newest)
        finally:
            connection.close()

    def _newest(self) -> int:
        with self._database.read() as connection:
            return newest_version(connection)

    def prune(self, keep: int) -> bool:
        """Forget a bounded number of changes beyond the newest `keep`; return whether there are more."""
        with self._database.read() as connection:
            count = excess(connection, keep)
        if count > 0:
            with self._database.write() as connection:
                prune(connection, min(count, _PRUNED_AT_ONCE))
        return count > _PRUNED_AT_ONCE
