"""Where a publisher reads the configuration from."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from tollway.storage.database import Database
from tollway.storage.gateway.changes import ChangeJournal, excess, newest_version, prune
from tollway.storage.gateway.configuration import SqlConfiguration

__all__ = ["SqlConfigurationSource"]

# At a few µs a row this keeps the write lock well below 20 ms.
_PRUNED_AT_ONCE = 2_000


class SqlConfigurationSource:
    """`tollway.gateway.ports.ConfigurationSource` over a database."""

    def __init__(self, database: Database) -> None:
        self._database = database

    @contextmanager
    def read(self) -> Iterator[SqlConfiguration]:
        """Open one consistent view."""
        with self._database.read() as connection:
            yield SqlConfiguration(connection, ChangeJournal(connection))

    def newest(self) -> int:
        """Return the newest committed version."""
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
