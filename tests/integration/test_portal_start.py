"""A customer's first minutes, in real processes: sign up, mail, plan, key, call, rotate, revoke."""

from __future__ import annotations

import re
import time
from collections.abc import Callable
from html import unescape
from pathlib import Path
from typing import TypeVar

import httpx2
import pytest

from tests.support.stack import Stack
from tests.support.traffic import Upstream

_CATALOG = """
_format_version: "1.0"
currency: USD
meters:
  - {name: api_calls, aggregation: count, filter: {status: ["2xx", "3xx"]}}
plans:
  - name: pro
    prices:
      - {model: flat, amount: "49.00"}
"""
_PATIENCE = 40.0

T = TypeVar("T")


class _Browser:
    """Keeps cookies and sends forms as a browser without scripts does."""

    def __init__(self, origin: str) -> None:
        self._origin = origin
        self._client = httpx2.Client(base_url=origin, follow_redirects=True, timeout=20)

    def get(self, path: str) -> str:
        return self._client.get(path).text

    def post(self, page: str, action: str, **fields: str) -> str:
        """Open `page`, and send its form to `action`."""
        token = re.search(r'name="_csrf" value="([^"]+)"', self.get(page))
        assert token is not None, page
        answer = self._client.post(
            action, data={"_csrf": token[1], **fields}, headers={"origin": self._origin}
        )
        assert answer.status_code == 200, answer.text
        return answer.text

    def close(self) -> None:
        self._client.close()


def _eventually(look: Callable[[], T | None]) -> T:
    give_up = time.monotonic() + _PATIENCE
    while (found := look()) is None:
        assert time.monotonic() < give_up
        time.sleep(0.1)
    return found


def _link(folder: Path) -> str | None:
    for mail in folder.glob("*.eml"):
        found = re.search(r"http://\S+?(/confirm\?token=\S+)", mail.read_text())
        if found is not None:
            return found[1]
    return None


def _key(page: str) -> str:
    (key,) = set(re.findall(r"tollway_live_[0-9A-Za-z]{43}", page))
    return str(key)


@pytest.mark.timeout(240)
def test_from_the_sign_up_to_a_revoked_key(tmp_path: Path) -> None:
    (tmp_path / "catalog.yaml").write_text(_CATALOG)
    stack = Stack(tmp_path)
    with Upstream().running() as upstream, stack.running():
        stack.tollway("catalog", "apply", str(tmp_path / "catalog.yaml"))
        stack.admin("/services", name="api", url=f"http://127.0.0.1:{upstream.port}")
        stack.admin("/services/api/routes", name="all", paths=["/"])
        stack.admin("/services/api/plugins", name="key-auth")
        stack.wait_ready()

        def call(key: str) -> int:
            headers = {"apikey": key}
            return httpx2.get(f"{stack.url('proxy')}/length", headers=headers, timeout=20).status_code

        browser = _Browser(stack.url("portal"))
        browser.post(
            "/sign-up",
            "/sign-up",
            organisation="Meridian Freight",
            email="ines@meridian.example",
            password="a short sentence",
            terms="1",
        )
        path = _eventually(lambda: _link(tmp_path / "data" / "mail"))
        browser.post(path, "/confirm", token=path.partition("token=")[2])
        first = _key(browser.post("/start", "/start", plan="pro"))
        assert call(first) == 200  # the page is only shown when every gateway knows the key

        (identifier,) = re.findall(r"/keys/([0-9a-f-]+)/revoke", browser.get("/keys"))
        arrival = f"/keys/{identifier}/arrival"
        _eventually(lambda: browser.get(arrival) if "call arrived" in browser.get(arrival) else None)

        page = browser.get(f"/keys/{identifier}/rotate")
        (_, week, *_) = re.findall(r'name="until" value="(\d+)"', page)
        second = _key(browser.post(f"/keys/{identifier}/rotate", f"/keys/{identifier}/rotate", until=week))
        assert [call(first), call(second)] == [200, 200]

        told = browser.post(f"/keys/{identifier}/revoke", f"/keys/{identifier}/revoke", name="default")
        assert "“default” is revoked." in unescape(told)
        assert [call(first), call(second)] == [401, 200]
        browser.close()
