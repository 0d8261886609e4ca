"""A gateway's domain on a database of its own, with an engine that judges as the test wants."""

from __future__ import annotations

from collections.abc import Callable
from uuid import UUID

from tollway.contracts.configuration import UpstreamHealth
from tollway.gateway.ports import EngineCheck, GatewayState
from tollway.gateway.secrets import KeyVault, derive_keys
from tollway.kernel.clock import Clock, SystemClock
from tollway.storage.database import Database
from tollway.storage.gateway import GatewayStore

SECRET = "a secret for tests, 32 characters"


VAULT = KeyVault(derive_keys(SECRET))


class Engine:
    """Accepts every configuration, unless `refuse` raises."""

    def __init__(self) -> None:
        self.bases: list[bytes] = []
        self.row_sets: list[tuple[str, bytes]] = []
        self.refuse: Callable[[], None] = lambda: None

    def base(self, document: bytes) -> None:
        self.bases.append(document)
        self.refuse()

    def rows(self, table: str, rows: bytes) -> None:
        self.row_sets.append((table, rows))
        self.refuse()


class NoGateways:
    """No gateway is connected."""

    def connected(self) -> list[GatewayState]:
        return []

    def health(self, upstream: UUID) -> list[UpstreamHealth]:  # noqa: ARG002
        return []

    def set_health(self, upstream: UUID, target: UUID, address: str | None, *, healthy: bool) -> None:
        pass

    def wait_applied(self, version: int, timeout: float) -> str | None:  # noqa: ARG002
        return None


def open_store(
    database: Database, engine: EngineCheck | None = None, clock: Clock | None = None
) -> GatewayStore:
    return GatewayStore(
        database,
        vault=VAULT,
        engine=engine or Engine(),
        clock=clock or SystemClock(),
    )
