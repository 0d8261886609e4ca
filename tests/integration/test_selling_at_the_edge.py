"""What is bought opens at the gateway: a plan, an add-on; what is given up closes."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from pathlib import Path

import httpx2
import pytest

from tests.support.stack import Stack
from tests.support.traffic import Upstream

CATALOG = """
_format_version: "1.0"
currency: USD
meters:
  - {name: api_calls, aggregation: count, filter: {status: ["2xx"]}}
plans:
  - {name: free, features: [data_v1], quota: {api_calls: 4}}
  - {name: pro, features: [data_v1], prices: [{model: flat, amount: "49.00"}]}
addons:
  - {name: maps, features: [data_v2], prices: [{model: flat, amount: "19.00"}]}
  - {name: more, quota: {api_calls: 3}, prices: [{model: flat, amount: "5.00"}]}
"""


class Shop:
    """A shop that runs, with one caller."""

    def __init__(self, stack: Stack) -> None:
        self.stack = stack
        key = stack.admin("/consumers/acme/key-auth")["key"]
        self.client = httpx2.Client(base_url=stack.url("proxy"), headers={"apikey": key}, timeout=10)

    def status(self, path: str) -> int:
        return self.client.get(path).status_code

    def post(self, path: str, **body: object) -> dict[str, object]:
        answer = httpx2.post(f"{self.stack.url('admin')}/tollway/v1{path}", json=body, timeout=10)
        assert answer.status_code in (200, 201), answer.text
        made: dict[str, object] = answer.json()
        return made

    def until(self, path: str, status: int) -> float:
        """Return how many seconds it took until a path answered with this status."""
        began = time.monotonic()
        while self.status(path) != status:
            assert time.monotonic() < began + 30, f"{path} doesn't answer {status}"
            time.sleep(0.002)
        return time.monotonic() - began


@pytest.fixture
def shop(tmp_path: Path) -> Iterator[Shop]:
    stack = Stack(tmp_path, TOLLWAY_PORTAL_URL="https://portal.example.com")
    (tmp_path / "catalog.yaml").write_text(CATALOG)
    with Upstream().running() as upstream, stack.running():
        stack.admin("/services", name="api", url=f"http://127.0.0.1:{upstream.port}")
        stack.admin("/services/api/plugins", name="key-auth")
        for feature in ("data_v1", "data_v2"):
            stack.admin("/services/api/routes", name=feature, paths=[f"/{feature}"])
            stack.admin(f"/routes/{feature}/plugins", name="entitlement", config={"feature": feature})
        stack.admin("/consumers", username="acme")
        stack.tollway("catalog", "apply", str(tmp_path / "catalog.yaml"))
        shop = Shop(stack)
        stack.wait_ready()
        with shop.client:
            yield shop


def test_what_is_bought_opens_and_what_is_given_up_closes(shop: Shop) -> None:
    assert shop.status("/data_v1/length") == 403
    made = shop.post("/subscriptions", consumer="acme", plan="free")
    opened = shop.until("/data_v1/length", 200)
    refused = shop.client.get("/data_v2/length")
    assert refused.status_code == 403
    said = json.dumps(refused.json())
    assert "maps" in said
    assert "https://portal.example.com" in said
    for _ in range(3):
        assert shop.status("/data_v1/length") == 200
    assert shop.status("/data_v1/length") == 429, "four calls a period"

    add_ons = f"/subscriptions/{made['id']}/add-ons"
    shop.post(add_ons, add_on="more")
    more = shop.until("/data_v1/length", 200)
    shop.post(add_ons, add_on="maps")
    maps = shop.until("/data_v2/length", 200)
    assert shop.status("/data_v2/length") == 200
    assert shop.status("/data_v1/length") == 429, "seven with the add-on, which all paths share"
    shop.post(f"/subscriptions/{made['id']}/change", plan="pro")
    upgraded = shop.until("/data_v1/length", 200)
    shop.post(f"{add_ons}/maps/remove", timing="now")
    closed = shop.until("/data_v2/length", 403)
    shop.post(f"/subscriptions/{made['id']}/cancel", timing="now")
    left = shop.until("/data_v1/length", 403)
    took = {"plan": opened, "quota": more, "feature": maps, "upgrade": upgraded, "gone": closed, "left": left}
    print({name: f"{seconds * 1000:.0f} ms" for name, seconds in took.items()})
