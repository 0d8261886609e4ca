"""What tests of the gateway's process share."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.e2e.gateway.test_gateway_process import Upstream


@pytest.fixture
def upstream() -> Iterator[Upstream]:
    """Serve, until the test is over."""
    server = Upstream()
    yield server
    server.shutdown()
    server.server_close()
