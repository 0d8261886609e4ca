"""A shop as its seller runs it: every role a process, the Atlas API behind the gateway, mails in a folder."""

from __future__ import annotations

import contextlib
import re
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from email import message_from_bytes, policy
from email.message import EmailMessage
from pathlib import Path
from typing import TypeVar

import httpx2

from tests.support.ports import free_port
from tests.support.stack import Stack

__all__ = ["ROOT", "OpenShop", "eventually", "open_shop"]

ROOT = Path(__file__).parents[2]
_PATIENCE = 60.0

T = TypeVar("T")


def eventually(look: Callable[[], T | None], patience: float = _PATIENCE) -> T:
    """Look until there is something; return it."""
    give_up = time.monotonic() + patience
    while (found := look()) is None:
        assert time.monotonic() < give_up, f"nothing within {patience:.0f} s"
        time.sleep(0.05)
    return found


class OpenShop:
    """A stack that runs, with its upstream."""

    def __init__(self, stack: Stack, upstream_url: str) -> None:
        self.stack = stack
        self.upstream_url = upstream_url
        self.portal = f"http://localhost:{stack.ports['portal']}"
        self.console = f"http://localhost:{stack.ports['console']}"

    def call(self, path: str, key: str) -> httpx2.Response:
        """Call the API through the gateway."""
        return httpx2.get(self.stack.url("proxy") + path, headers={"apikey": key}, timeout=20)

    def apply(self, catalog: str) -> None:
        """Put a catalog in force."""
        path = self.stack.folder / "catalog.yaml"
        path.write_text(catalog)
        self.stack.tollway("catalog", "apply", str(path))

    def sell_atlas(self) -> None:
        """Put the Atlas API behind the gateway: places for every plan, the nearest for those that have it."""
        admin = self.stack.admin
        admin("/services", name="atlas", url=self.upstream_url)
        admin("/services/atlas/plugins", name="key-auth")
        for name, path, feature in (("places", "/v1", "places"), ("nearest", "/v1/nearest", "nearest")):
            admin("/services/atlas/routes", name=name, paths=[path], strip_path=False)
            admin(f"/routes/{name}/plugins", name="entitlement", config={"feature": feature})
        self.stack.wait_ready()

    def invoice(self) -> None:
        """Issue what is due by now."""
        self.stack.tollway("invoice", "run", "--mode", "live", "--until", datetime.now(UTC).isoformat())

    def mails(self, to: str) -> list[EmailMessage]:
        """Return the mails to an address, oldest first."""
        found = []
        for path in sorted((self.stack.folder / "data" / "mail").glob("*.eml")):
            mail = message_from_bytes(path.read_bytes(), policy=policy.default)
            assert isinstance(mail, EmailMessage)
            if to in str(mail["to"]):
                found.append(mail)
        return found

    def mail(self, to: str, containing: str) -> str:
        """Wait for a mail to an address with these words; return its text."""

        def look() -> str | None:
            texts = [f"{mail['subject']}\n{_text(mail)}" for mail in self.mails(to)]
            return next((text for text in texts if containing in text), None)

        return eventually(look)

    def link(self, to: str, path: str) -> str:
        """Wait for a mail with a link to `path` of the portal; return the whole link."""
        text = self.mail(to, path)
        found = re.search(rf"https?://\S+{re.escape(path)}\S*", text)
        assert found is not None, text
        return found[0]


def _text(mail: EmailMessage) -> str:
    body = mail.get_body(("plain",))
    assert body is not None
    return str(body.get_content())


@contextlib.contextmanager
def open_shop(folder: Path, **settings: str) -> Iterator[OpenShop]:
    """Run everything until the block ends; nothing is for sale yet."""
    port = free_port()
    command = [sys.executable, "-m", "demo.upstream", "--port", str(port)]
    with (folder / "upstream.log").open("wb") as log:
        upstream = subprocess.Popen(command, cwd=ROOT, stdin=subprocess.DEVNULL, stdout=log, stderr=log)
    stack = Stack(folder, **settings)
    shop = OpenShop(stack, f"http://127.0.0.1:{port}")
    try:
        with stack.running():
            for url in (shop.upstream_url, shop.portal, shop.console):
                eventually(lambda url=url: _answers(url))  # type: ignore[misc]
            yield shop
    finally:
        upstream.terminate()
        upstream.wait()


def _answers(url: str) -> bool | None:
    with contextlib.suppress(httpx2.HTTPError):
        return httpx2.get(url, timeout=20).status_code < 500 or None
    return None
