"""Opening the databases and the unit of work: one request or job is one transaction.

Access is synchronous (ADR 4): a transaction that holds SQLite's single write lock must not yield to an
event loop half-way, and a thread does the same work with fewer hops.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from sqlalchemy import Connection, Engine, MetaData, create_engine, event

__all__ = ["MAIN", "USAGE", "Database"]

_NAMING = {
    "ix": "ix_%(table_name)s_%(column_0_N_name)s",
    "uq": "uq_%(table_name)s_%(column_0_N_name)s",
    "ck": "ck_%(table_name)s_%(constraint_name)s",
    "fk": "fk_%(table_name)s_%(column_0_N_name)s",
    "pk": "pk_%(table_name)s",
}

MAIN = MetaData(naming_convention=_NAMING)
"""Configuration, accounts, money: `tollway.db`."""

USAGE = MetaData(naming_convention=_NAMING)
"""Usage records, cursors, deduplication: `usage.db`. No transaction spans both."""


class Database:
    """One database: read and write transactions on it.

    `url` is an SQLAlchemy URL, e.g. `sqlite:////var/lib/tollway/tollway.db`.
    """

    def __init__(self, url: str) -> None:
        self.engine = _engine(url)
        # SQLite's transactions are deferred by default: two of them that read and then write would fail
        # with "database is locked". A writer takes the write lock at its first statement instead.
        self._writer = self.engine.execution_options(tollway_write=True)

    @contextmanager
    def read(self) -> Iterator[Connection]:
        """A read transaction: one consistent view; nothing is committed."""
        with self.engine.connect() as connection:
            yield connection

    @contextmanager
    def write(self) -> Iterator[Connection]:
        """A write transaction: committed when the block ends, rolled back when it raises."""
        with self._writer.begin() as connection:
            yield connection

    def close(self) -> None:
        """Close every pooled connection."""
        self.engine.dispose()


def _engine(url: str) -> Engine:
    engine = create_engine(url, pool_pre_ping=not url.startswith("sqlite"))
    if engine.dialect.name == "sqlite":
        event.listen(engine, "connect", _sqlite_connected)
        event.listen(engine, "begin", _sqlite_begin)
    return engine


def _sqlite_connected(connection: Any, _record: Any) -> None:
    # The driver's own transaction handling is switched off; `_sqlite_begin` starts transactions.
    connection.isolation_level = None
    for pragma in (
        "busy_timeout=10000",  # first: the switch to WAL takes a lock too
        "journal_mode=WAL",
        # FULL: a committed transaction survives power loss; NORMAL would lose the last ones.
        "synchronous=FULL",
        "foreign_keys=ON",
        "temp_store=MEMORY",
    ):
        connection.execute(f"PRAGMA {pragma}")


def _sqlite_begin(connection: Connection) -> None:
    write = connection.get_execution_options().get("tollway_write", False)
    connection.exec_driver_sql("BEGIN IMMEDIATE" if write else "BEGIN")
