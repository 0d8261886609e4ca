"""What portal and console are wired over: one database, its gateways, one clock."""

from __future__ import annotations

from dataclasses import dataclass

from tollway.app.invoicing import Invoicing
from tollway.app.overviews import Overviews
from tollway.app.previewing import Previewing
from tollway.app.settings import Settings
from tollway.app.subscriptions import Subscribing
from tollway.app.usage import Usage
from tollway.gateway.ports import ConnectedGateways
from tollway.kernel.clock import Clock
from tollway.storage.database import Database
from tollway.storage.gateway import GatewayStore

__all__ = ["Shop"]


@dataclass(frozen=True, slots=True)
class Shop:
    """A store that is open and up to date, and the gateways that follow its configuration."""

    settings: Settings
    store: GatewayStore
    usage: Usage
    """What was metered; its `main` is another handle of the same database."""
    gateways: ConnectedGateways
    clock: Clock

    @property
    def main(self) -> Database:
        """The main database, which the store is over."""
        return self.store.database

    @property
    def subscribing(self) -> Subscribing:
        """The use cases of subscriptions."""
        return Subscribing(self.store, self.clock)

    @property
    def invoicing(self) -> Invoicing:
        """Forecasts of invoices; the worker closes periods, and meters beside it."""
        return Invoicing(self.main, self.usage.query, drain=lambda _until, _wait: None, clock=self.clock)

    @property
    def previewing(self) -> Previewing:
        """What a change would cost."""
        return Previewing(self.subscribing, self.invoicing)

    @property
    def overviews(self) -> Overviews:
        """What subscriptions have, and how much of it is used."""
        return Overviews(self.subscribing, self.usage.query)
