"""What the API's resources need; `app` implements it."""

from __future__ import annotations

from contextlib import AbstractContextManager
from datetime import datetime
from typing import Protocol
from uuid import UUID

from tollway.billing.add_ons import ItemChange
from tollway.billing.models import Subscription
from tollway.billing.overview import Overview
from tollway.billing.ports import Invoices, Listings, Parties, Subscriptions
from tollway.billing.preview import Preview
from tollway.billing.subscriptions import Change, Timing
from tollway.catalog.ports import CatalogStore
from tollway.kernel.mode import Mode

__all__ = ["Changes", "Looks", "Previews", "Sold", "View"]

_Which = str | UUID
"""A subscription: by its consumer's name, or by its own id."""


class View(Protocol):
    """What is stored, in one consistent view."""

    @property
    def catalog(self) -> CatalogStore: ...
    @property
    def parties(self) -> Parties: ...
    @property
    def subscriptions(self) -> Subscriptions: ...
    @property
    def invoices(self) -> Invoices: ...
    @property
    def listings(self) -> Listings: ...


class Changes(Protocol):
    """What is done to subscriptions; each is one transaction."""

    def create(self, consumer: str, plan: str, mode: Mode, *, dry_run: bool = False) -> Subscription:
        """Subscribe a consumer."""

    def change(self, consumer: _Which, plan: str, *, dry_run: bool = False) -> Change:
        """Change the plan."""

    def add_on(self, consumer: _Which, name: str, *, dry_run: bool = False) -> ItemChange:
        """Take an add-on on."""

    def remove_add_on(
        self, consumer: _Which, name: str, timing: Timing = Timing.PERIOD_END, *, dry_run: bool = False
    ) -> ItemChange:
        """Give an add-on up."""

    def cancel(self, consumer: _Which, timing: Timing) -> Subscription:
        """End the subscription."""


class Previews(Protocol):
    """What changes would cost."""

    def preview_create(self, consumer: str, plan: str, mode: Mode) -> Preview:
        """Of subscribing."""

    def preview_change(self, consumer: _Which, plan: str) -> Preview:
        """Of a change of plan."""

    def preview_add_on(self, consumer: _Which, name: str) -> Preview:
        """Of taking an add-on on."""

    def preview_removal(self, consumer: _Which, name: str, timing: Timing = Timing.PERIOD_END) -> Preview:
        """Of giving an add-on up."""

    def next_invoice(self, consumer: _Which) -> Preview:
        """Of nothing: what is invoiced next."""


class Looks(Protocol):
    """What subscriptions have and how much of it is used."""

    def of(self, consumer: _Which) -> Overview:
        """Return the subscription as it is now."""


class Sold(Protocol):
    """All of it."""

    def view(self) -> AbstractContextManager[View]:
        """Look at what is stored."""

    def now(self) -> datetime:
        """Return the present instant."""

    @property
    def changes(self) -> Changes: ...
    @property
    def previews(self) -> Previews: ...
    @property
    def looks(self) -> Looks: ...
