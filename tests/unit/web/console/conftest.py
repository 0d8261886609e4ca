from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.console import BackOffice


@pytest.fixture
def office(tmp_path: Path) -> Iterator[BackOffice]:
    office = BackOffice(tmp_path)
    yield office
    office.close()
