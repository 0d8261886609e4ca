from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.unit.metering.fakes import FakeLog
from tollway.storage.database import Database
from tollway.storage.metering import SqlUsageStorage
from tollway.storage.migrate import upgrade


@pytest.fixture
def storage(tmp_path: Path) -> Iterator[SqlUsageStorage]:
    database = Database(f"sqlite:///{tmp_path}/usage.db")
    upgrade(database, "usage")
    yield SqlUsageStorage(database)
    database.close()


@pytest.fixture
def log() -> FakeLog:
    return FakeLog()
