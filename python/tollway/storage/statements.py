"""Statements that SQLite and PostgreSQL both have but SQLAlchemy keeps apart, and what fits into one."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any, TypeVar

from sqlalchemy import Connection, Table
from sqlalchemy.dialects import postgresql, sqlite

__all__ = ["portions", "upsert"]

_Key = TypeVar("_Key", bound=Any)

_PARAMETERS = 500


def upsert(connection: Connection, table: Table) -> postgresql.Insert | sqlite.Insert:
    """Return an INSERT that may say `on_conflict_do_update` or `on_conflict_do_nothing`."""
    if connection.dialect.name == "postgresql":
        return postgresql.insert(table)
    return sqlite.insert(table)


def portions(ids: Sequence[_Key]) -> Iterator[Sequence[_Key]]:
    """Yield the ids in portions: a database takes only so many parameters in one statement."""
    for start in range(0, len(ids), _PARAMETERS):
        yield ids[start : start + _PARAMETERS]
