"""Versions are in commit order, whoever writes: a follower that reads in between never misses a change."""

from __future__ import annotations

from pathlib import Path
from threading import Barrier, Event, Thread

from sqlalchemy import select

from tests.support.databases import migrated, url_of
from tests.support.gateway import VAULT, open_store
from tests.support.stream import Replica
from tollway.gateway.publisher import updates
from tollway.storage.database import Database
from tollway.storage.gateway import GatewayStore, SqlConfigurationSource
from tollway.storage.tables.gateway import CONFIG_CHANGE

WRITERS = 4
WRITES = 25


def test_two_processes_with_two_writers_each(tmp_path: Path) -> None:
    migrated(tmp_path).close()
    # As many connections pools as processes; each process has two threads that write.
    databases = [Database(url_of(tmp_path)) for _ in range(2)]
    source = SqlConfigurationSource(databases[0], VAULT)
    with source.watch() as newest:
        follower = Replica(newest())
    together, done = Barrier(WRITERS + 1), Event()
    problems: list[BaseException] = []

    def write(number: int) -> None:
        store = open_store(databases[number % 2])
        together.wait()
        try:
            for count in range(WRITES):
                with store.write() as gateway:
                    consumer = gateway.consumers.create({"username": f"w{number}-{count}"})
                    gateway.key_auths.create({"consumer": {"id": str(consumer.id)}})
        except BaseException as problem:
            problems.append(problem)
            raise

    def follow() -> None:
        together.wait()
        last = False
        while not last:
            last = done.is_set()
            assert follower.version is not None
            with source.read() as reader:
                found = updates.delta(reader, follower.version)
            assert found is not None
            before = follower.version
            follower.apply(found[0])
            assert follower.version >= before

    threads = [Thread(target=write, args=(number,)) for number in range(WRITERS)]
    reader = Thread(target=follow)
    for thread in [*threads, reader]:
        thread.start()
    for thread in threads:
        thread.join()
    done.set()
    reader.join()
    assert problems == []
    assert len(follower.tables["consumers"]) == len(follower.tables["key_auth"]) == WRITERS * WRITES
    with databases[0].read() as connection:
        changes = connection.execute(select(CONFIG_CHANGE).order_by(CONFIG_CHANGE.c.id)).all()
    versions = [change.version for change in changes]
    assert versions == sorted(versions)  # ids are given at writing, versions are in the same order
    assert len(set(versions)) == WRITERS * WRITES
    for database in databases:
        database.close()


def test_writers_of_one_process_queue(tmp_path: Path) -> None:
    database = migrated(tmp_path)
    committed: list[int] = []
    database.after_commit(lambda: committed.append(1))
    with database.read():  # a reader holds up nobody
        store = open_store(database)
        threads = [
            Thread(target=lambda name=name: _create(store, name)) for name in ("a", "b", "c", "d", "e", "f")
        ]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    assert len(committed) == 6
    database.close()


def _create(store: GatewayStore, name: str) -> None:
    with store.write() as gateway:
        gateway.consumers.create({"username": name})
