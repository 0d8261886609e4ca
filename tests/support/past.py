"""The shop that `make serve` opens, in the test's own process: three months of firms, bought and owed for."""

from __future__ import annotations

import contextlib
import logging
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import structlog
from fastapi import FastAPI

from demo.shop.history import write_history
from demo.shop.people import OPERATOR, PASSWORD
from tests.support.databases import database_settings
from tests.support.gateway import NoGateways
from tests.support.portal import Visitor
from tollway.accounts.models import Membership, MembershipRole, Organisation, User
from tollway.accounts.passwords import Passwords
from tollway.app.console import console_app
from tollway.app.gateway import open_gateway
from tollway.app.portal import portal_app
from tollway.app.settings import Settings, load_settings
from tollway.app.shop import Shop
from tollway.app.usage import open_usage
from tollway.kernel.clock import SystemClock
from tollway.kernel.ids import new_id
from tollway.storage.accounts import SqlPeople

__all__ = ["NEWCOMER", "PastShop", "empty_shop", "past_shop"]

_ROOT = Path(__file__).parents[2]
NEWCOMER = "dana@blank-page.example"
"""Signs in for an organisation that has nothing yet, not even a plan."""


@dataclass(frozen=True, slots=True)
class PastShop:
    """Portal and console over one database. Everybody signs in with `PASSWORD`, as in a browser."""

    shop: Shop
    portal: FastAPI
    console: FastAPI

    def customer(self, email: str) -> Visitor:
        """Return the browser of somebody who has signed in to the portal."""
        return _signed_in(Visitor(self.portal), email)

    def operator(self) -> Visitor:
        """Return the browser of the seller, signed in to the console."""
        return _signed_in(Visitor(self.console, site="console"), OPERATOR)


def _signed_in(visitor: Visitor, email: str) -> Visitor:
    visitor.post("/sign-in", email=email, password=PASSWORD)
    assert visitor.status == 303, visitor.words
    return visitor


@contextlib.contextmanager
def past_shop(folder: Path) -> Iterator[PastShop]:
    """Write the past into a new folder and open the shop over it; no gateway runs."""
    settings = _settings(folder)
    before = structlog.get_config()
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.ERROR))
    try:
        write_history(settings, "http://127.0.0.1:9", lambda: None)
    finally:
        structlog.configure(**before)
    with _opened(settings) as shop:
        yield shop


@contextlib.contextmanager
def empty_shop(folder: Path) -> Iterator[PastShop]:
    """Open a shop in which nothing is for sale, and which nobody has set up yet; `NEWCOMER` looks at it."""
    with _opened(_settings(folder)) as shop:
        yield shop


def _settings(folder: Path) -> Settings:
    database: dict[str, Any] = {
        name.removeprefix("TOLLWAY_").lower(): value for name, value in database_settings(folder).items()
    }
    return load_settings(data_dir=folder / "data", portal_dir=_ROOT / "demo" / "portal", **database)


@contextlib.contextmanager
def _opened(settings: Settings) -> Iterator[PastShop]:
    clock = SystemClock()
    with open_gateway(settings) as store, open_usage(settings, clock) as usage:
        shop = Shop(settings, store, usage, NoGateways(), clock)
        _let_in_newcomer(shop)
        yield PastShop(shop, portal_app(shop), console_app(shop))


def _let_in_newcomer(shop: Shop) -> None:
    now = shop.clock.now()
    organisation = Organisation(
        id=new_id(), slug="blank-page", name="Blank Page", customer=None, consumer=None, created_at=now
    )
    user = User(
        id=new_id(),
        email=NEWCOMER,
        password_hash=Passwords().hash(PASSWORD),
        confirmed_at=now,
        created_at=now,
    )
    with shop.main.write() as connection:
        people = SqlPeople(connection)
        people.save_organisation(organisation)
        people.save_user(user)
        people.add_membership(
            Membership(organisation=organisation.id, user=user.id, role=MembershipRole.OWNER, created_at=now)
        )
