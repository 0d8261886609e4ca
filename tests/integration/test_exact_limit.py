"""With more concurrent requests than a limit, exactly the limit pass: not one over, and none is withheld."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.support.stack import Stack
from tests.support.traffic import Client, Upstream, statuses_together

pytestmark = pytest.mark.one_database

LIMIT = 300
"""Of a year: a window whose edge no test run meets."""
CLIENTS, EACH = 24, 40


@pytest.mark.timeout(90)
def test_exactly_the_limit_pass(tmp_path: Path) -> None:
    stack = Stack(tmp_path, TOLLWAY_GATEWAY_WORKERS="4")
    with Upstream().running() as upstream, stack.running():
        stack.admin("/services", name="api", url=f"http://127.0.0.1:{upstream.port}")
        stack.admin("/services/api/routes", name="all", paths=["/"])
        stack.admin("/services/api/plugins", name="key-auth")
        stack.admin("/consumers", username="pro_user_123")
        stack.admin("/consumers/pro_user_123/key-auth", key="a-key-of-the-limit-test")
        stack.admin(
            "/consumers/pro_user_123/plugins", name="rate-limiting", config={"year": LIMIT, "policy": "local"}
        )
        stack.wait_ready()

        clients = [Client(stack.ports["proxy"], "a-key-of-the-limit-test") for _ in range(CLIENTS)]
        statuses = statuses_together(clients, "/length", EACH)
        assert statuses == {200: LIMIT, 429: CLIENTS * EACH - LIMIT}
        assert len(upstream.seen) == LIMIT
        assert len(stack.events()) == LIMIT  # what the gateway refused is no usage
