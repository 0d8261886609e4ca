"""Wires the gateway's configuration: the main database, the engine's check and the keys that keep secrets."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from tollway.app.data_dir import prepare, secret
from tollway.app.redis import counting
from tollway.app.settings import Settings
from tollway.gateway.engine import NativeEngineCheck
from tollway.gateway.secrets import KeyVault, derive_keys
from tollway.kernel.clock import Clock, SystemClock
from tollway.storage.database import Database
from tollway.storage.gateway import GatewayStore
from tollway.storage.migrate import upgrade

__all__ = ["gateway_store", "open_gateway"]


@contextmanager
def open_gateway(settings: Settings, clock: Clock | None = None) -> Iterator[GatewayStore]:
    """Open the main database, bring it up to date, and offer units of work on the gateway."""
    prepare(settings)
    database = Database(settings.main_url)
    try:
        upgrade(database)
        yield gateway_store(database, settings, clock or SystemClock())
    finally:
        database.close()


def gateway_store(database: Database, settings: Settings, clock: Clock) -> GatewayStore:
    """Units of work on the gateway over a main database that is open and up to date."""
    vault = KeyVault(derive_keys(secret(settings)))
    return GatewayStore(
        database, vault=vault, engine=NativeEngineCheck(), clock=clock, counting=counting(settings)
    )
