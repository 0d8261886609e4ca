"""Migrated databases for tests: migrated once in a run, then copied.

`TOLLWAY_TEST_DATABASE=postgresql` runs the suite on PostgreSQL, anything else on SQLite. A folder stands for
one installation on either: whatever is opened in it by the same name is the same database.
"""

from __future__ import annotations

import atexit
import contextlib
import os
import shutil
import sqlite3
import tempfile
from collections.abc import Iterator
from functools import cache
from pathlib import Path

from sqlalchemy import Connection, make_url

from tests.support import postgres
from tollway.storage.database import Chain, Database
from tollway.storage.migrate import upgrade

__all__ = ["ON_POSTGRESQL", "database_settings", "empty_url", "migrated", "undone", "url_of"]

ON_POSTGRESQL = os.environ.get("TOLLWAY_TEST_DATABASE", "sqlite") == "postgresql"

# On PostgreSQL a test's folder has no database in it: these are the ones that belong to it.
_belonging: dict[Path, str] = {}


def url_of(folder: Path, chain: Chain = "main", name: str | None = None) -> str:
    """Return the URL of a database in `folder`, which may be empty yet."""
    path = folder / (name or f"{chain}.db")
    if not ON_POSTGRESQL:
        return f"sqlite:///{path}"
    return _belonging.setdefault(path, "") or empty_url(path)


def empty_url(path: Path) -> str:
    """Return the URL of a new and empty database; `path` is its file on SQLite, its name elsewhere."""
    if not ON_POSTGRESQL:
        return f"sqlite:///{path}"
    _belonging[path] = postgres.new_database()
    return _belonging[path]


def migrated(folder: Path, chain: Chain = "main", name: str | None = None) -> Database:
    """Return a new database in `folder`, with every table of `chain`; its file is `CHAIN.db`, or `name`."""
    path = folder / (name or f"{chain}.db")
    if ON_POSTGRESQL:
        _belonging[path] = postgres.new_database(_postgres_template(chain))
        return Database(_belonging[path], chain)
    with (
        contextlib.closing(sqlite3.connect(_sqlite_template(chain))) as source,
        contextlib.closing(sqlite3.connect(path)) as target,
    ):
        source.backup(target)
    return Database(f"sqlite:///{path}", chain)


def database_settings(folder: Path) -> dict[str, str]:
    """Return the environment in which an installation in `folder` uses the suite's kind of database."""
    return {"TOLLWAY_DATABASE_URL": url_of(folder, name="tollway")} if ON_POSTGRESQL else {}


@cache
def _sqlite_template(chain: Chain) -> Path:
    folder = Path(tempfile.mkdtemp(prefix="tollway-test-"))
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    database = Database(f"sqlite:///{folder / 'template.db'}", chain)
    upgrade(database)
    database.close()
    return folder / "template.db"


@cache
def _postgres_template(chain: Chain) -> str:
    database = Database(postgres.new_database(), chain)
    upgrade(database)
    database.close()  # no other connection may be open to what is copied
    return make_url(database.engine.url).database or ""


class _Undo(Exception):
    pass


@contextlib.contextmanager
def undone(database: Database) -> Iterator[Connection]:
    """A write transaction that leaves no trace."""
    with contextlib.suppress(_Undo), database.write() as connection:
        yield connection
        raise _Undo
