"""The three commands that the documentation begins with."""

from __future__ import annotations

import re

from starlette.testclient import TestClient


def test_consumer_key_and_limit_in_three_form_posts(admin: TestClient) -> None:
    consumer = admin.post("/consumers", data={"username": "pro_user_123", "custom_id": "pro_user_123_uuid"})
    assert consumer.status_code == 201
    assert consumer.headers["server"] == "kong/3.9.1"
    assert consumer.json()["custom_id"] == "pro_user_123_uuid"

    key = admin.post("/consumers/pro_user_123/key-auth", data={"tags": "pro_tier"})
    assert key.status_code == 201
    assert re.fullmatch(r"tollway_live_[0-9A-Za-z]{43}", key.json()["key"])
    assert key.json()["tags"] == ["pro_tier"]
    assert key.json()["consumer"] == {"id": consumer.json()["id"]}

    plugin = admin.post(
        "/consumers/pro_user_123/plugins",
        data={"name": "rate-limiting", "config.minute": "1000", "config.policy": "local"},
    )
    assert plugin.status_code == 201
    assert plugin.json()["config"]["minute"] == 1000
    assert plugin.json()["config"]["redis"]["port"] == 6379
