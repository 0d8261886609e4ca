"""Bringing a database's tables up to date. Every process calls `upgrade` when it starts.

The two chains (`main`, `usage`) have version tables of their own, so that both may live in one PostgreSQL
database. A chain runs in one transaction under the write lock: of several processes that start together
one migrates, and the others find it done.

To make a new revision, see `migrations/README.md`.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from alembic import command
from alembic.config import Config
from alembic.runtime.environment import EnvironmentContext
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Connection, MetaData

from tollway.kernel.errors import Conflict
from tollway.storage import tables as _tables  # noqa: F401  # importing it fills the metadata
from tollway.storage.database import MAIN, USAGE, Chain, Database

__all__ = ["configure", "metadata_of", "run_environment", "upgrade"]

_METADATA: dict[str, MetaData] = {"main": MAIN, "usage": USAGE}


def upgrade(database: Database) -> None:
    """Bring `database` to the newest revision of its chain, creating its tables where there are none.

    Raises:
        Conflict: the database was written by a newer release of Tollway.
    """
    chain = database.chain
    config = configure(chain)
    script = ScriptDirectory.from_config(config)
    with database.read() as connection:
        if _is_current(connection, chain, script):
            return
    with database.write() as connection:
        # A process that waited for the lock looks again: the one before it has done the work.
        if not _is_current(connection, chain, script):
            config.attributes["connection"] = connection
            command.upgrade(config, "head")


def configure(chain: Chain) -> Config:
    """Return Alembic's configuration of one chain; its scripts lie beside this module."""
    config = Config()
    folder = Path(__file__).parent / "migrations" / chain
    config.set_main_option("script_location", str(folder).replace("%", "%%"))
    config.attributes["chain"] = chain
    return config


def metadata_of(chain: Chain) -> MetaData:
    """Return what the tables of `chain` should look like."""
    return _METADATA[chain]


def run_environment(context: EnvironmentContext) -> None:
    """What each chain's `env.py` does: run the migrations on the connection that was handed over."""
    attributes = context.config.attributes
    chain: Chain = attributes["chain"]
    metadata = metadata_of(chain)

    def ours(name: str | None, kind: str, _parents: Any) -> bool:
        # In a database shared by both chains, the other one's tables are not this one's business.
        return kind != "table" or name in metadata.tables

    context.configure(
        connection=attributes["connection"],
        target_metadata=metadata,
        version_table=_version_table(chain),
        include_name=ours,
        render_as_batch=True,
    )
    context.run_migrations()


def _version_table(chain: Chain) -> str:
    return f"alembic_version_{chain}"


def _is_current(connection: Connection, chain: Chain, script: ScriptDirectory) -> bool:
    context = MigrationContext.configure(connection, opts={"version_table": _version_table(chain)})
    current = set(context.get_current_heads())
    known = {revision.revision for revision in script.walk_revisions()}
    if current - known:
        unknown = ", ".join(sorted(current - known))
        raise Conflict(
            f"the {chain} database is at revision {unknown}, which this release of Tollway does not know: "
            "it was written by a newer one; install that release or restore a backup"
        )
    return current == set(script.get_heads())
