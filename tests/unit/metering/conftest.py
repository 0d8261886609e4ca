from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.databases import migrated
from tests.unit.metering.fakes import FakeLog
from tollway.storage.metering import SqlUsageStorage


@pytest.fixture
def storage(tmp_path: Path) -> Iterator[SqlUsageStorage]:
    database = migrated(tmp_path, "usage")
    yield SqlUsageStorage(database)
    database.close()


@pytest.fixture
def log() -> FakeLog:
    return FakeLog()
