from __future__ import annotations

import pytest

from demo.upstream.dataset import Places, load


@pytest.fixture(scope="session")
def places() -> Places:
    return load()
