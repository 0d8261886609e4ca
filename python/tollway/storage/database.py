"""Opening the databases and the unit of work: one request or job is one transaction.

Access is synchronous (ADR 4): a transaction that holds SQLite's single write lock must not yield to an
event loop half-way, and a thread does the same work with fewer hops.
"""

from __future__ import annotations

import contextlib
import sqlite3
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from threading import Lock, local
from typing import Any, Literal

from sqlalchemy import Connection, Engine, MetaData, create_engine, event
from sqlalchemy.engine import ExceptionContext
from sqlalchemy.exc import OperationalError

from tollway.kernel.errors import InvalidInput
from tollway.storage.turnstile import Turnstile

__all__ = ["MAIN", "USAGE", "Chain", "Database"]

Chain = Literal["main", "usage"]
"""Which tables: `MAIN`'s or `USAGE`'s. On PostgreSQL both may live in one database."""

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


_PATIENCE = 10  # seconds
_LOOK_AGAIN = 0.001  # seconds
_BUSY_TIMEOUT = f"PRAGMA busy_timeout={_PATIENCE * 1000}"
# Any two constants: they name the write locks on PostgreSQL.
_WRITE_LOCKS: dict[Chain, int] = {"main": 7_318_349_394_477_056_001, "usage": 7_318_349_394_477_056_002}


class Database:
    """One database: read and write transactions on it.

    `url` is an SQLAlchemy URL, e.g. `sqlite:////var/lib/tollway/tollway.db` or
    `postgresql+psycopg://tollway@db.example/tollway`. There is one writer of a chain at a time, on either
    (ADR 6).
    """

    def __init__(self, url: str, chain: Chain = "main") -> None:
        self.engine = _engine(url)
        self.chain = chain
        # SQLite's transactions are deferred by default: two of them that read and then write would fail
        # with "database is locked". A writer takes the write lock at its first statement instead.
        self._writer = self.engine.execution_options(tollway_write=chain)
        self._reader = self.engine
        if self.engine.dialect.name == "postgresql":
            self._reader = self.engine.execution_options(
                isolation_level="REPEATABLE READ", postgresql_readonly=True
            )
        # Writers of one process queue here and go on at once; those of several at the turnstile.
        self._turn = Lock() if self.engine.dialect.name == "sqlite" else None
        file = self.engine.url.database if self.engine.dialect.name == "sqlite" else None
        self._turnstile = None if not file else Turnstile(Path(f"{file}-turn"), _PATIENCE)
        self._after_commit: list[Callable[[], None]] = []
        self._joining = local()

    @contextmanager
    def read(self) -> Iterator[Connection]:
        """A read transaction: one consistent view; nothing is committed."""
        with self._reader.connect() as connection:
            yield connection

    @contextmanager
    def write(self) -> Iterator[Connection]:
        """A write transaction: committed when the block ends, rolled back when it raises."""
        with self._my_turn(), contextlib.ExitStack() as stack:
            with self._turnstile or contextlib.nullcontext():
                connection = stack.enter_context(self._writer.begin())
            yield connection
            for act in getattr(self._joining, "acts", ()):
                act(connection)
        for hook in self._after_commit:
            hook()

    @contextmanager
    def joining_writes(self, act: Callable[[Connection], None]) -> Iterator[None]:
        """Within the block, have `act` take part in every write transaction of this thread, at its end.

        What must be committed together with work that somebody else's code does is done so.
        """
        before = getattr(self._joining, "acts", ())
        self._joining.acts = (*before, act)
        try:
            yield
        finally:
            self._joining.acts = before

    def after_commit(self, hook: Callable[[], None]) -> None:
        """Have `hook` called after every commit of this object's writes; it must be quick and not fail."""
        self._after_commit.append(hook)

    @contextmanager
    def _my_turn(self) -> Iterator[None]:
        if self._turn is None:
            yield
            return
        if not self._turn.acquire(timeout=_PATIENCE):
            raise TimeoutError(
                f"no write transaction could begin within {_PATIENCE} s: another one of this process is "
                "still open (a write within a write?)"
            )
        try:
            yield
        finally:
            self._turn.release()

    def close(self) -> None:
        """Close every pooled connection."""
        self.engine.dispose()
        if self._turnstile is not None:
            self._turnstile.close()


def _engine(url: str) -> Engine:
    # Without the option psycopg's count of an INSERT's rows is lost, which says whether a conflict was met.
    options = {"preserve_rowcount": True}
    engine = create_engine(url, pool_pre_ping=not url.startswith("sqlite"), execution_options=options)
    if engine.dialect.name == "sqlite":
        event.listen(engine, "connect", _sqlite_connected)
        event.listen(engine, "begin", _sqlite_begin)
    else:
        event.listen(engine, "begin", _postgresql_begin)
        event.listen(engine, "handle_error", _postgresql_error)
    return engine


def _sqlite_connected(connection: Any, _record: Any) -> None:
    # The driver's own transaction handling is switched off; `_sqlite_begin` starts transactions.
    connection.isolation_level = None
    for pragma in (
        _BUSY_TIMEOUT,  # first: the switch to WAL takes a lock too
        "PRAGMA journal_mode=WAL",
        # FULL: a committed transaction survives power loss; NORMAL would lose the last ones.
        "PRAGMA synchronous=FULL",
        "PRAGMA foreign_keys=ON",
        "PRAGMA temp_store=MEMORY",
    ):
        connection.execute(pragma)


def _sqlite_begin(connection: Connection) -> None:
    if "tollway_write" in connection.get_execution_options():
        _begin_immediate(connection)
    else:
        connection.exec_driver_sql("BEGIN")


def _begin_immediate(connection: Connection) -> None:
    """Take the write lock, which another process may hold, looking for it every millisecond.

    Left to itself, SQLite looks ever more seldom, down to every 100 ms. Who looks here has
    passed the turnstile: nobody else can take the lock first.
    """
    raw = connection.connection.driver_connection
    assert isinstance(raw, sqlite3.Connection)
    give_up = time.monotonic() + _PATIENCE
    raw.execute("PRAGMA busy_timeout=0")
    try:
        while True:
            try:
                raw.execute("BEGIN IMMEDIATE")
            except sqlite3.OperationalError as error:
                if error.sqlite_errorcode & 0xFF != sqlite3.SQLITE_BUSY or time.monotonic() > give_up:
                    raise OperationalError("BEGIN IMMEDIATE", None, error) from error
            else:
                return
            time.sleep(_LOOK_AGAIN)
    finally:
        raw.execute(_BUSY_TIMEOUT)


def _postgresql_begin(connection: Connection) -> None:
    """Take the chain's write lock: it goes with the transaction, or with the session that dies in it."""
    chain: Chain | None = connection.get_execution_options().get("tollway_write")
    if chain is not None:
        connection.exec_driver_sql(f"SET LOCAL lock_timeout = '{_PATIENCE}s'")
        connection.exec_driver_sql(f"SELECT pg_advisory_xact_lock({_WRITE_LOCKS[chain]})")


def _postgresql_error(context: ExceptionContext) -> None:
    """Say of a text that PostgreSQL can't hold that it is the text's fault, wherever it was sent to."""
    error = str(context.original_exception)
    if "NUL (0x00)" in error or "\\u0000 cannot be converted to text" in error:
        raise InvalidInput("text", "it holds a NUL character", "remove it") from context.original_exception
