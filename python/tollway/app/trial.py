"""Try-it: a visitor's calls, sent to this installation's proxy with a key that ends soon.

The target is fixed, redirects, cookies and proxies of the environment are not followed, and what comes back
is bounded in size and time, so a call can harm nobody but its sender's own allowance.
"""

from __future__ import annotations

import threading
import time
from contextlib import closing
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from urllib.parse import urlsplit
from uuid import UUID

import httpx2

from tollway.accounts.models import SignedIn
from tollway.gateway.ports import ConnectedGateways
from tollway.kernel.clock import Clock
from tollway.kernel.errors import Conflict
from tollway.storage.gateway import GatewayStore
from tollway.storage.key_labels import SqlKeyLabels
from tollway.web.openapi.call import Call
from tollway.web.portal.ports.trial import GatewaySilent, TrialAnswer, TrialsBusy

__all__ = ["TRIAL_TAG", "ProxyTrial"]

TRIAL_TAG = "tollway-try-it"
"""Marks keys that try-it made: pages that list keys leave them out."""

_NAME = "Try it"
_LIFE = timedelta(minutes=15)
_LEAST_LEFT = timedelta(minutes=1)
_APPLIED_WITHIN = 5.0
_AT_ONCE = 8
_SECONDS = 15.0
_LARGEST_ANSWER = 256 * 1024
_MOST_HEADERS = 100


@dataclass(frozen=True, slots=True)
class _Key:
    text: str = field(repr=False)
    ends_at: datetime


class ProxyTrial:
    """`tollway.web.portal.ports.trial.Trial` over the proxy at `address` (`http://127.0.0.1:8000`).

    `public_url` is how API clients reach it: routes that ask for a host find that one.
    """

    def __init__(
        self,
        store: GatewayStore,
        gateways: ConnectedGateways,
        clock: Clock,
        *,
        address: str,
        public_url: str | None,
    ) -> None:
        self._store = store
        self._gateways = gateways
        self._clock = clock
        self._address = address
        self._host = None if public_url is None else urlsplit(public_url).netloc
        self._places = threading.BoundedSemaphore(_AT_ONCE)
        self._lock = threading.Lock()
        self._keys: dict[UUID, _Key] = {}

    def key(self, member: SignedIn) -> str:
        """See `Trial.key`. Keys live in this process's memory alone: after a restart there are new ones."""
        consumer = member.organisation.consumer
        if consumer is None:
            raise Conflict("choose a plan first: calls are made on it")
        with self._lock:
            now = self._clock.now()
            self._keys = {owner: key for owner, key in self._keys.items() if key.ends_at > now}
            present = self._keys.get(consumer)
            if present is not None and present.ends_at - now > _LEAST_LEFT:
                return present.text
        made, version = self._make(consumer, member)
        # Until every gateway knows it, it would be refused.
        self._gateways.wait_applied(version, _APPLIED_WITHIN)
        with self._lock:
            self._keys[consumer] = made
        return made.text

    def _make(self, consumer: UUID, member: SignedIn) -> tuple[_Key, int]:
        seconds = int(_LIFE.total_seconds())
        with self._store.database.write() as connection, self._store.join(connection) as gateway:
            credential = gateway.key_auths.create(
                {"consumer": {"id": str(consumer)}, "ttl": seconds, "tags": [TRIAL_TAG]}
            )
            now = self._clock.now()
            # Its calls are in the organisation's usage under this name.
            SqlKeyLabels(connection).add(credential.id, _NAME, member.user.id, now)
            made = _Key(gateway.key_auths.reveal(credential), now + _LIFE)
            version = gateway.version
        return made, version

    def send(self, call: Call) -> TrialAnswer:
        """See `Trial.send`."""
        if not self._places.acquire(timeout=1):
            raise TrialsBusy("many calls are being tried just now; wait a moment and send it again")
        try:
            return self._send(call)
        except httpx2.HTTPError as error:
            raise GatewaySilent(f"no answer from the gateway: {type(error).__name__}") from error
        finally:
            self._places.release()

    def _send(self, call: Call) -> TrialAnswer:
        headers = [
            *call.headers,
            ("Accept", "*/*"),
            ("Accept-Encoding", "identity"),
            ("User-Agent", "Tollway try-it"),
        ]
        if self._host is not None:
            headers.append(("Host", self._host))
        request = httpx2.Request(
            call.method,
            f"{self._address}{call.target}",
            headers=headers,
            content=call.body.encode() if call.body is not None else None,
            extensions={"timeout": dict.fromkeys(("connect", "read", "write", "pool"), _SECONDS)},
        )
        begun = time.monotonic()
        # The transport alone: it keeps no cookies, follows no redirects and asks no proxy.
        with closing(httpx2.HTTPTransport()) as transport:
            response = transport.handle_request(request)
            milliseconds = round((time.monotonic() - begun) * 1000)
            with closing(response):
                body, cut = _read(response, begun + _SECONDS)
        return TrialAnswer(
            status=response.status_code,
            milliseconds=milliseconds,
            headers=tuple(
                (name.lower(), value) for name, value in response.headers.multi_items()[:_MOST_HEADERS]
            ),
            body=body,
            cut=cut,
        )


def _read(response: httpx2.Response, until: float) -> tuple[bytes, bool]:
    """Read an answer as it comes, packed or not, as far as size and time go."""
    read = bytearray()
    for chunk in response.iter_raw(16 * 1024):
        read += chunk
        if len(read) > _LARGEST_ANSWER or time.monotonic() > until:
            return bytes(read[:_LARGEST_ANSWER]), True
    return bytes(read), False
