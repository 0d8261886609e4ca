"""Migrated databases for tests: migrated once in a run, then copied, which takes a millisecond."""

from __future__ import annotations

import atexit
import contextlib
import shutil
import sqlite3
import tempfile
from collections.abc import Iterator
from functools import cache
from pathlib import Path

from sqlalchemy import Connection

from tollway.storage.database import Database
from tollway.storage.migrate import Chain, upgrade

__all__ = ["migrated", "undone"]


@cache
def _template(chain: Chain) -> Path:
    folder = Path(tempfile.mkdtemp(prefix="tollway-test-"))
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    database = Database(f"sqlite:///{folder / 'template.db'}")
    upgrade(database, chain)
    database.close()
    return folder / "template.db"


def migrated(folder: Path, chain: Chain = "main", name: str | None = None) -> Database:
    """Return a new database in `folder`, with every table of `chain`; its file is `CHAIN.db`, or `name`."""
    path = folder / (name or f"{chain}.db")
    with (
        contextlib.closing(sqlite3.connect(_template(chain))) as source,
        contextlib.closing(sqlite3.connect(path)) as target,
    ):
        source.backup(target)
    return Database(f"sqlite:///{path}")


class _Undo(Exception):
    pass


@contextlib.contextmanager
def undone(database: Database) -> Iterator[Connection]:
    """A write transaction that leaves no trace."""
    with contextlib.suppress(_Undo), database.write() as connection:
        yield connection
        raise _Undo
