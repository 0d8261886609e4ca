"""The portal over a seller's world, asked as a browser would, by whoever is signed in.

Sessions are not what is tested with it: the cookie's value names who is signed in.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from html import unescape
from pathlib import Path
from typing import Any
from uuid import UUID

from starlette.testclient import TestClient

from tests.support.commerce import START, World
from tests.support.gateway import SECRET, NoGateways, open_store
from tollway.accounts.models import MembershipRole, Organisation, SignedIn, User
from tollway.app.helpdesk import Helpdesk
from tollway.app.plans import apply_catalog_file
from tollway.app.portal import portal_app
from tollway.app.settings import Settings
from tollway.app.shop import Shop
from tollway.app.subscriptions import Subscribing
from tollway.app.usage import usage_over
from tollway.billing.models import Subscription
from tollway.kernel.ids import new_id
from tollway.kernel.mode import Mode
from tollway.providers.payments.sandbox import CARDS, TestCard
from tollway.web.ui.access import Signed

__all__ = ["Members", "Storefront", "Visitor", "member"]


def member(
    name: str, at: datetime, *, customer: UUID | None = None, consumer: UUID | None = None
) -> SignedIn:
    """Return the owner of a new organisation."""
    slug = re.sub(r"[^a-z0-9]+", "-", name.lower())
    organisation = Organisation(
        id=new_id(), slug=slug, name=name, customer=customer, consumer=consumer, created_at=at
    )
    user = User(id=new_id(), email=f"ines@{slug}.example", password_hash="", confirmed_at=at, created_at=at)
    return SignedIn(user=user, organisation=organisation, role=MembershipRole.OWNER)


@dataclass
class Members:
    """Who can be signed in: `Site.identify` by the session cookie's value."""

    known: dict[str, SignedIn] = field(default_factory=dict)

    def __call__(self, token: str) -> Signed | None:
        return self.known.get(token)


class Visitor:
    """A browser without scripts: keeps cookies, fills in the form's token."""

    def __init__(self, app: Any, token: str | None = None, *, site: str = "portal") -> None:
        self.origin = f"http://{site}.example"
        self.client = TestClient(app, base_url=self.origin, follow_redirects=False)
        self.status = 0
        self.text = ""
        self.location = ""
        if token is not None:
            self.client.cookies.set(f"tollway_{site}_session", token, domain=f"{site}.example")

    def get(self, path: str, **headers: str) -> str:
        """Open a page; return its text."""
        answer = self.client.get(path, headers=headers)
        self.status, self.text = answer.status_code, answer.text
        self.location = answer.headers.get("location", "")
        return self.text

    def post(self, path: str, *, page: str | None = None, **fields: str) -> str:
        """Send a form found on `page` (default: the path itself); follows nothing."""
        self.get(page or path)
        found = re.search(r'name="_csrf" value="([^"]+)"', self.text) or re.search(
            r'"X-CSRF-Token":"([^"]+)"', unescape(self.text)
        )
        token = found[1] if found else ""
        answer = self.client.post(path, data={"_csrf": token, **fields}, headers={"origin": self.origin})
        self.status, self.text = answer.status_code, answer.text
        self.location = answer.headers.get("location", "")
        return self.text

    @property
    def words(self) -> str:
        """What a reader sees of the page: its text without tags, space folded."""
        body = re.sub(r"<(script|style|head)\b.*?</\1>", "", self.text, flags=re.DOTALL)
        return re.sub(r"\s+", " ", unescape(re.sub(r"<[^>]+>", " ", body))).strip()


class Storefront:
    """A seller's world with the portal before it. `join` makes an organisation and signs it in.

    `settings` are set beside the data folder and the secret.
    """

    def __init__(
        self,
        folder: Path,
        now: datetime = START,
        catalog: str | None = None,
        **settings: Any,
    ) -> None:
        self.world = World(folder, now)
        self.clock = self.world.clock
        self.store = open_store(self.world.main, clock=self.clock)
        if catalog is not None:
            apply_catalog_file(self.store, self.clock, catalog.encode(), "catalog.yaml")
        usage = usage_over(self.world.main, self.world.usage_database, self.world.log, self.clock)
        own = Settings(data_dir=folder, secret_key=SECRET, **settings)
        self.shop = Shop(own, self.store, usage, NoGateways(), self.clock)
        self.subscribing = Subscribing(self.store, self.clock)
        self.members = Members()
        self.app = portal_app(self.shop)
        object.__setattr__(self.app.state.site, "identify", self.members)

    def close(self) -> None:
        self.world.close()

    @property
    def cards(self) -> Sequence[TestCard]:
        """The sandbox's test cards."""
        return tuple(CARDS.values())

    @property
    def desk(self) -> Helpdesk:
        """The tickets' use cases."""
        return Helpdesk(self.shop.main, self.clock)

    def join(self, name: str, plan: str | None = "pro", mode: Mode = Mode.LIVE) -> SignedIn:
        """Make an organisation with its consumer, subscribed to a plan; its slug is its session's token."""
        signed = member(name, self.clock.now())
        slug = signed.organisation.slug
        with self.store.write() as gateway:
            consumer = gateway.consumers.create({"username": slug})
        customer = None
        if plan is not None:
            customer = self.subscribing.create(slug, plan, mode).customer
        organisation = replace(signed.organisation, customer=customer, consumer=consumer.id)
        signed = replace(signed, organisation=organisation)
        self.members.known[slug] = signed
        return signed

    def visitor(self, signed: SignedIn | None = None) -> Visitor:
        """Return a browser, signed in as somebody or as nobody."""
        return Visitor(self.app, None if signed is None else signed.organisation.slug)

    def subscription(self, signed: SignedIn) -> Subscription:
        """Return the organisation's subscription."""
        return self.subscribing.of(signed.organisation.slug)
