"""What portal and console are wired over: one database, its gateways, one clock."""

from __future__ import annotations

from dataclasses import dataclass

from tollway.app.settings import Settings
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
