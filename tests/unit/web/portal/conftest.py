from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.portal import Storefront


@pytest.fixture
def front(tmp_path: Path) -> Iterator[Storefront]:
    front = Storefront(tmp_path)
    yield front
    front.close()
