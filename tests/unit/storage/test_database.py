"""Transactions of several processes on one SQLite file, played here by several `Database` objects."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from sqlalchemy import text
from sqlalchemy.exc import OperationalError

from tollway.storage import database
from tollway.storage.database import Database


@pytest.fixture
def two(tmp_path: Path) -> Iterator[tuple[Database, Database]]:
    pair = Database(f"sqlite:///{tmp_path}/shared.db"), Database(f"sqlite:///{tmp_path}/shared.db")
    with pair[0].write() as connection:
        connection.execute(text("CREATE TABLE written (by TEXT)"))
    yield pair
    for one in pair:
        one.close()


def test_who_writes_all_the_time_leaves_others_their_turn(two: tuple[Database, Database]) -> None:
    busy, other = two
    done = threading.Event()

    def write_on() -> None:
        while not done.is_set():
            with busy.write() as connection:
                connection.execute(text("INSERT INTO written VALUES ('busy')"))
                time.sleep(0.01)

    writer = threading.Thread(target=write_on)
    writer.start()
    try:
        waits = []
        for _ in range(10):
            began = time.monotonic()
            with other.write() as connection:
                waits.append(time.monotonic() - began)
                connection.execute(text("INSERT INTO written VALUES ('other')"))
    finally:
        done.set()
        writer.join()
    assert max(waits) < 4, waits


def test_a_lock_that_is_never_given_up_is_an_error(
    two: tuple[Database, Database], monkeypatch: pytest.MonkeyPatch
) -> None:
    holder, other = two
    monkeypatch.setattr(database, "_PATIENCE", 0.05)
    with holder.write() as connection:
        connection.execute(text("INSERT INTO written VALUES ('holder')"))
        with pytest.raises(OperationalError, match="database is locked"), other.write():
            pass
    with other.write() as connection:
        assert connection.execute(text("SELECT by FROM written")).scalars().all() == ["holder"]
