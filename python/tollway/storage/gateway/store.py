"""Units of work on the gateway: one transaction, its use cases, and the engine's check before it commits."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from itertools import islice
from typing import Any

from sqlalchemy import Connection

from tollway.gateway.ports import EngineCheck
from tollway.gateway.secrets import KeyVault
from tollway.gateway.service import LOCAL, Gateway, ImportRow, prepare_import
from tollway.kernel.clock import Clock
from tollway.storage.database import Database
from tollway.storage.gateway.base import BaseCache
from tollway.storage.gateway.repositories import SqlGatewayRepositories
from tollway.storage.gateway.source import SqlConfigurationSource

__all__ = ["GatewayStore"]

# Holds the write lock for less than 20 ms.
_IMPORTED_AT_ONCE = 250


class GatewayStore:
    """Opens `Gateway`s.

        with store.write() as gateway:
            consumer = gateway.consumers.create({"username": "bob"})
            gateway.key_auths.create({"consumer": {"id": str(consumer.id)}})

    Leaving the block checks and commits; an exception, the engine's refusal included, undoes all of it.
    """

    def __init__(
        self,
        database: Database,
        *,
        vault: KeyVault,
        engine: EngineCheck,
        clock: Clock,
        brand: str = "tollway",
        counting: Mapping[str, Any] = LOCAL,
    ) -> None:
        self.database = database
        self._vault = vault
        self._engine = engine
        self._clock = clock
        self._brand = brand
        self._counting = counting
        self._cache = BaseCache(vault)

    def source(self) -> SqlConfigurationSource:
        """Return where a publisher reads the configuration from."""
        return SqlConfigurationSource(self.database, self._vault)

    @contextmanager
    def read(self) -> Iterator[Gateway]:
        """Look: one consistent view."""
        with self.database.read() as connection:
            yield self.over(connection)

    def over(self, connection: Connection) -> Gateway:
        """Look within somebody else's transaction."""
        return self._bind(connection)

    @contextmanager
    def write(self) -> Iterator[Gateway]:
        """Change: a transaction of its own."""
        with self.database.write() as connection, self.join(connection) as gateway:
            yield gateway

    @contextmanager
    def join(self, connection: Connection) -> Iterator[Gateway]:
        """Change within a transaction that is somebody else's to commit; join it once.

        Leaving the block has the engine check the configuration as this transaction made it.
        """
        gateway = self._bind(connection)
        yield gateway
        gateway.check()

    def import_consumers(self, rows: Iterable[ImportRow]) -> int:
        """Store many new consumers with their keys, in many small transactions; return how many.

        Rows are taken from an iterator as they are needed. A fault ends the load; what was stored stays.
        Names and keys have to be new: see `Gateway.insert`.
        """
        rest = iter(rows)
        count = 0
        while part := list(islice(rest, _IMPORTED_AT_ONCE)):
            prepared = prepare_import(part, self._vault, self._clock, self._engine)
            with self.write() as gateway:
                gateway.insert(prepared)
            count += len(part)
        return count

    def _bind(self, connection: Connection) -> Gateway:
        return Gateway(
            SqlGatewayRepositories(connection, self._cache),
            vault=self._vault,
            engine=self._engine,
            clock=self._clock,
            brand=self._brand,
            counting=self._counting,
        )
