"""The migrated schema is what the tables say, and any number of processes may bring it about."""

from __future__ import annotations

import multiprocessing
from pathlib import Path

import pytest
from alembic.autogenerate import compare_metadata
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import CheckConstraint, inspect, text

from tests.support.databases import empty_url
from tollway.kernel.errors import Conflict
from tollway.storage.database import Chain, Database
from tollway.storage.migrate import configure, metadata_of, upgrade

CHAINS: list[Chain] = ["main", "usage"]


def _database(folder: Path, chain: Chain = "main") -> Database:
    return Database(empty_url(folder / "test.db"), chain)


@pytest.mark.parametrize("chain", CHAINS)
def test_migrated_schema_is_what_the_tables_say(tmp_path: Path, chain: Chain) -> None:
    database = _database(tmp_path, chain)
    upgrade(database)
    with database.read() as connection:
        context = MigrationContext.configure(
            connection,
            opts={
                "version_table": f"alembic_version_{chain}",
                "compare_type": True,
                "compare_server_default": True,
            },
        )
        dialect = connection.dialect.name
        assert compare_metadata(context, metadata_of(chain)) == []
        checks = {
            table.name: {check["name"] for check in inspect(connection).get_check_constraints(table.name)}
            for table in metadata_of(chain).tables.values()
        }
    database.close()
    # Alembic does not compare check constraints.
    declared = {
        table.name: {
            str(constraint.name)
            for constraint in table.constraints
            if isinstance(constraint, CheckConstraint)
            and (constraint._ddl_if is None or constraint._ddl_if.dialect == dialect)
        }
        for table in metadata_of(chain).tables.values()
    }
    assert checks == declared


def test_both_chains_live_in_one_database(tmp_path: Path) -> None:
    url = empty_url(tmp_path / "test.db")
    databases = [Database(url, chain) for chain in CHAINS]
    for _ in range(2):  # a second start finds nothing to do
        for database in databases:
            upgrade(database)
    with databases[0].read() as connection:
        tables = set(inspect(connection).get_table_names())
    for database in databases:
        database.close()
    assert set(metadata_of("main").tables) | set(metadata_of("usage").tables) <= tables


@pytest.mark.parametrize("chain", CHAINS)
def test_revisions_are_one_line_and_named_by_their_files(chain: Chain) -> None:
    script = ScriptDirectory.from_config(configure(chain))
    assert len(script.get_heads()) <= 1
    for revision in script.walk_revisions():
        assert Path(str(revision.path)).stem == revision.revision


def _start(url: str, barrier: multiprocessing.synchronize.Barrier) -> None:
    barrier.wait()
    database = Database(url)
    upgrade(database)
    database.close()


def test_processes_that_start_together_migrate_once(tmp_path: Path) -> None:
    context = multiprocessing.get_context("spawn")
    barrier = context.Barrier(4)
    url = empty_url(tmp_path / "test.db")
    processes = [context.Process(target=_start, args=(url, barrier)) for _ in range(4)]
    for process in processes:
        process.start()
    for process in processes:
        process.join()
    assert [process.exitcode for process in processes] == [0] * 4
    database = Database(url)
    with database.read() as connection:
        assert connection.execute(text("SELECT count(*) FROM config_version")).scalar_one() == 1
    database.close()


def test_database_of_a_newer_release_is_refused(tmp_path: Path) -> None:
    database = _database(tmp_path)
    upgrade(database)
    with database.write() as connection:
        connection.execute(text("UPDATE alembic_version_main SET version_num = '9999_future'"))
    with pytest.raises(Conflict, match=r"9999_future.*newer"):
        upgrade(database)
    database.close()
