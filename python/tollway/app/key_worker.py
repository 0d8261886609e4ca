"""Keys that have ended are taken out of the database; the gateway has refused them since their very end."""

from __future__ import annotations

import threading

from tollway.app.going_on import told
from tollway.storage.gateway import GatewayStore

__all__ = ["KeyWorker"]

_SECONDS = 10.0
# Holds the write lock for less than 20 ms.
_AT_ONCE = 100


class KeyWorker:
    """Purges ended keys, each with the change row by which gateways forget it, too."""

    def __init__(self, store: GatewayStore) -> None:
        self._store = store

    def purge_forever(self, stop: threading.Event) -> None:
        """Work until `stop` is set."""
        while not stop.wait(_SECONDS):
            with told("ended keys can't be purged; trying again"):
                self.purge(stop)

    def purge(self, stop: threading.Event | None = None) -> int:
        """Delete what has ended, in small transactions; return how many keys that were."""
        count = 0
        while stop is None or not stop.is_set():
            with self._store.read() as gateway:
                if not gateway.key_auths.has_ended_ones():
                    break
            with self._store.write() as gateway:
                count += gateway.key_auths.purge(_AT_ONCE)
        return count
