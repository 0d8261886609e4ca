"""Try-it against a real gateway: the key works at once and ends by itself, and calls go nowhere else."""

from __future__ import annotations

import http.server
import threading
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from uuid import UUID

import httpx2
import pytest

from tests.support.portal import member
from tests.support.stack import Stack
from tollway.accounts.models import SignedIn
from tollway.app.gateway import open_gateway
from tollway.app.settings import Settings
from tollway.app.trial import TRIAL_TAG, ProxyTrial
from tollway.gateway.ports import GatewayState
from tollway.kernel.clock import SystemClock
from tollway.storage.accounts import SqlPeople
from tollway.storage.gateway import GatewayStore
from tollway.web.openapi.call import Call
from tollway.web.portal.ports.trial import GatewaySilent


class _Upstream(http.server.BaseHTTPRequestHandler):
    """Answers by path, and says which host and key it saw."""

    def do_GET(self) -> None:  # the standard library's name
        bodies = {"/api/large": b"x" * 1_000_000, "/api/packed": b"\x1f\x8b\x00"}
        moved = self.path == "/api/moved"
        seen = f"{self.headers['x-forwarded-host']} {self.headers['cookie']}".encode()
        self.send_response(302 if moved else 200)
        if moved:
            self.send_header("location", "http://127.0.0.1:1/elsewhere")
        if self.path == "/api/packed":
            self.send_header("content-encoding", "gzip")
        body = bodies.get(self.path, seen)
        self.send_header("set-cookie", "session=theirs")
        self.send_header("content-length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        """Say nothing."""


class _Gateways:
    """Waits as control does: through it, for the gateway to judge by the newest configuration."""

    def __init__(self, stack: Stack) -> None:
        self._stack = stack
        self._count = 0

    def connected(self) -> list[GatewayState]:
        return []

    def wait_applied(self, version: int, timeout: float) -> str | None:  # noqa: ARG002
        self._count += 1
        url = f"{self._stack.url('admin')}/consumers?wait=1"
        httpx2.post(url, json={"username": f"later-{self._count}"}, timeout=30).raise_for_status()
        return None


@pytest.fixture
def upstream() -> Iterator[int]:
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), _Upstream)
    threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True).start()
    yield server.server_address[1]
    server.shutdown()
    server.server_close()


def _member(store: GatewayStore, consumer: str) -> SignedIn:
    """Return a member who has an account: keys are noted as made by somebody."""
    signed = member("Ada", datetime.now(UTC), consumer=UUID(consumer))
    with store.database.write() as connection:
        SqlPeople(connection).save_user(signed.user)
    return signed


@pytest.mark.timeout(240)
@pytest.mark.one_database
def test_calls_are_tried_on_the_gateway_alone(tmp_path: Path, upstream: int) -> None:
    stack = Stack(tmp_path)
    with stack.running():
        service = stack.admin("/services", name="api", url=f"http://127.0.0.1:{upstream}")
        stack.admin(
            "/routes", service={"id": service["id"]}, paths=["/api"], strip_path=False, hosts=["api.example"]
        )
        stack.admin("/plugins", name="key-auth")
        consumer = stack.admin("/consumers", username="ada")
        stack.admin(
            f"/consumers/{consumer['id']}/plugins",
            name="rate-limiting",
            config={"hour": 5, "policy": "local"},
        )
        settings = Settings(data_dir=tmp_path / "data", **_database(stack))
        with open_gateway(settings) as store:
            trial = ProxyTrial(
                store,
                _Gateways(stack),
                SystemClock(),
                address=stack.url("proxy"),
                public_url="https://api.example",
            )
            ada = _member(store, consumer["id"])
            key = trial.key(ada)
            assert trial.key(ada) == key

            def call(path: str, text: str = key) -> Call:
                return Call("GET", path, (("apikey", text),), None)

            first = trial.send(call("/api/x"))
            assert (first.status, first.body) == (200, b"api.example None")
            assert first.header("x-kong-request-id")
            assert trial.send(call("/api/x", "wrong")).status == 401
            moved = trial.send(call("/api/moved"))
            assert (moved.status, moved.header("location")) == (302, "http://127.0.0.1:1/elsewhere")
            large = trial.send(call("/api/large"))
            assert (len(large.body), large.cut) == (256 * 1024, True)
            assert trial.send(call("/api/packed")).body == b"\x1f\x8b\x00"
            # Nothing of the first answer's cookie is left by now.
            assert trial.send(call("/api/x")).body == b"api.example None"
            assert trial.send(call("/api/x")).status == 429
            with store.read() as gateway:
                (made,) = gateway.key_auths.repository.all(consumer_id=UUID(consumer["id"]))
            assert made.tags == (TRIAL_TAG,)
            assert made.expires_at is not None
            assert timedelta(0) < made.expires_at - datetime.now(UTC) <= timedelta(minutes=15)
        silent = ProxyTrial(
            store, _Gateways(stack), SystemClock(), address="http://127.0.0.1:1", public_url=None
        )
        with pytest.raises(GatewaySilent):
            silent.send(Call("GET", "/", (), None))


def _database(stack: Stack) -> dict[str, str]:
    url = stack.environment.get("TOLLWAY_DATABASE_URL")
    return {} if url is None else {"database_url": url}
