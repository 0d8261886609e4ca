from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.support.rabbitmq import Broker


@pytest.fixture(scope="session")
def broker(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Broker]:
    """One broker for all: a node takes seconds to start."""
    broker = Broker(tmp_path_factory.mktemp("rabbitmq") / "node")
    try:
        broker.start()
        yield broker
    finally:
        broker.close()
