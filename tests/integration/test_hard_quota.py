"""Plans at the gateway: quotas exact under concurrency and across `kill -9`, features and keys that end."""

from __future__ import annotations

import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta

import httpx2
import pytest

from tests.support.gateway import open_store
from tests.support.granting import granted
from tests.support.stack import Stack
from tests.support.traffic import Client, Upstream, statuses_together
from tollway.contracts.entitlement import EntitlementView
from tollway.gateway.engine import NativeEngineCheck
from tollway.gateway.service import Gateway
from tollway.storage.database import Database
from tollway.storage.gateway import GatewayStore

QUOTA = 73
CLIENTS, EACH = 20, 10
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


class Shop:
    """A subscriber with two keys in front of an upstream, written to as another process would."""

    def __init__(self, stack: Stack, store: GatewayStore, name: str) -> None:
        self.stack = stack
        self.name = name
        self.keys = tuple(f"{name}-the-{number}-key" for number in ("first", "second"))
        self._store = store
        stack.admin("/consumers", username=name)
        for key in self.keys:
            stack.admin(f"/consumers/{name}/key-auth", key=key)
        stack.wait_ready()

    @contextmanager
    def changed(self) -> Iterator[Gateway]:
        """Change the gateway; afterwards it judges by that."""
        with self._store.write() as gateway:
            yield gateway
        self.stack.wait_ready()

    def grant(self, view: EntitlementView | None) -> None:
        """Say what the subscriber may use."""
        with self.changed() as gateway:
            consumer = gateway.consumers.get(self.name)
            gateway.consumers.attribute(consumer.id, consumer.attribution, view)

    def get(self, path: str = "/length", key: str | None = None) -> httpx2.Response:
        """Ask with a key, by default the first."""
        headers = {"apikey": key or self.keys[0]}
        return httpx2.get(self.stack.url("proxy") + path, headers=headers, timeout=10)


@pytest.fixture(scope="module")
def opened(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Stack, GatewayStore]]:
    stack = Stack(tmp_path_factory.mktemp("quota"), TOLLWAY_GATEWAY_WORKERS="4")
    with Upstream().running() as upstream, stack.running():
        stack.admin("/services", name="api", url=f"http://127.0.0.1:{upstream.port}")
        stack.admin("/services/api/routes", name="all", paths=["/"])
        stack.admin("/services/api/plugins", name="key-auth")
        url = stack.environment.get("TOLLWAY_DATABASE_URL", f"sqlite:///{stack.folder}/data/tollway.db")
        database = Database(url, "main")
        yield stack, open_store(database, NativeEngineCheck())
        database.close()


@pytest.fixture
def shop(opened: tuple[Stack, GatewayStore], request: pytest.FixtureRequest) -> Shop:
    return Shop(*opened, request.node.name)


def _micros(instant: datetime) -> int:
    return (instant - _EPOCH) // timedelta(microseconds=1)


def _call(shop: Shop, path: str) -> Counter[int]:
    clients = [Client(shop.stack.ports["proxy"], shop.keys[number % 2]) for number in range(CLIENTS)]
    return statuses_together(clients, path, EACH)


@pytest.mark.timeout(150)
@pytest.mark.one_database
def test_exactly_the_quota_passes_and_none_after_a_kill(shop: Shop) -> None:
    view = granted(quota=QUOTA)
    shop.grant(view)
    # What the meter doesn't count draws nothing, however much of it there is.
    assert _call(shop, "/missing") == {404: CLIENTS * EACH}
    assert _call(shop, "/length") == {200: QUOTA, 429: CLIENTS * EACH - QUOTA}

    shop.stack.roles["gateway"].kill()
    shop.stack.roles["gateway"].start()
    shop.stack.wait_ready()
    assert _call(shop, "/length") == {429: CLIENTS * EACH}
    refused = shop.get()
    assert (refused.json()["code"], refused.json()["limit"]) == ("quota_exceeded", QUOTA)
    assert refused.headers["Content-Type"] == "application/problem+json"
    end = view["quotas"][0]["boundaries"][1]
    assert _micros(datetime.now(UTC)) + int(refused.headers["Retry-After"]) * 1_000_000 >= end

    # Another plan in the same period goes on with what was used.
    view["plan"], view["quotas"][0]["limit"] = "pro", QUOTA + 2
    shop.grant(view)
    assert _call(shop, "/length") == {200: 2, 429: CLIENTS * EACH - 2}


@pytest.mark.timeout(150)
@pytest.mark.one_database
def test_kills_under_load_cost_the_caller_at_most_what_was_in_flight(shop: Shop) -> None:
    limit, senders, kills = 600, 8, 3
    shop.grant(granted(quota=limit))
    clients = [Client(shop.stack.ports["proxy"], shop.keys[number % 2]) for number in range(senders)]
    stop = threading.Event()

    def send(client: Client) -> None:
        while not stop.is_set():
            client.get("/length")
            time.sleep(0.01)
        client.close()

    def passed() -> int:
        return sum(client.statuses[200] for client in clients)

    def until(done: Callable[[], bool]) -> None:
        give_up = time.monotonic() + 40
        while not done():
            assert time.monotonic() < give_up, f"{passed()} have passed"
            time.sleep(0.002)

    threads = [threading.Thread(target=send, args=(client,)) for client in clients]
    for thread in threads:
        thread.start()
    try:
        for kill in range(1, kills + 1):
            target = kill * 100
            until(lambda: passed() >= target)  # noqa: B023  # done before the next
            shop.stack.roles["gateway"].kill()
            shop.stack.roles["gateway"].start()
            shop.stack.wait_ready()
        refused = sum(client.statuses[429] for client in clients)
        until(lambda: sum(client.statuses[429] for client in clients) > refused + senders)
    finally:
        stop.set()
        for thread in threads:
            thread.join()
    assert limit - kills * senders <= passed() <= limit
    assert shop.get().status_code == 429


@pytest.mark.timeout(150)
def test_period_ends_by_itself(shop: Shop) -> None:
    now = datetime.now(UTC)
    soon = now + timedelta(seconds=3)
    bounds = [_micros(at) for at in (now - timedelta(days=1), soon, now + timedelta(days=1))]
    shop.grant(granted(quota=1, boundaries=bounds))
    assert shop.get().status_code == 200
    refused = shop.get()
    while datetime.now(UTC) < soon:
        refused = shop.get()
        # Asked before the period's end, it may be answered by the clock of just after it.
        if datetime.now(UTC) < soon:
            assert refused.status_code == 429
    while shop.get().status_code != 429:
        assert datetime.now(UTC) < soon + timedelta(seconds=30)
    assert shop.get().headers["RateLimit-Policy"] == f'"quota:api_calls";q=1;w={86_400 - 3}'


@pytest.mark.timeout(150)
def test_feature_is_live_when_the_change_is(shop: Shop) -> None:
    shop.stack.admin("/services/api/routes", name="v2", paths=["/empty"], strip_path=False)
    shop.stack.admin("/routes/v2/plugins", name="entitlement", config={"feature": "data_v2"})
    with shop.changed() as gateway:
        gateway.shop.set(
            [{"feature": "data_v2", "plans": ["pro"], "addons": ["v2_pack"]}], "https://portal.example.com"
        )
    assert shop.get("/empty").json()["code"] == "no_subscription"
    shop.grant(granted("data_v1"))
    refused = shop.get("/empty")
    assert (refused.status_code, refused.json()["addons"]) == (403, ["v2_pack"])
    assert "https://portal.example.com" in refused.json()["detail"]
    shop.grant(granted("data_v1", "data_v2"))
    assert shop.get("/empty").status_code == 204
    shop.grant(granted("data_v1"))
    assert shop.get("/empty").status_code == 403
    shop.grant(None)
    assert shop.get("/empty").json()["code"] == "no_subscription"


@pytest.mark.timeout(150)
def test_key_ends_at_its_instant_and_not_before(shop: Shop) -> None:
    made = datetime.now(UTC)
    key = shop.stack.admin(f"/consumers/{shop.name}/key-auth?wait=1", ttl=3)["key"]
    answered = datetime.now(UTC)
    seen = set()
    while (before := datetime.now(UTC)) < answered + timedelta(seconds=4):
        answer = shop.get(key=key)
        after = datetime.now(UTC)
        if after < made + timedelta(seconds=3):
            assert answer.status_code == 200
            seen.add(200)
        if before >= answered + timedelta(seconds=3):
            assert answer.json()["message"] == "Unauthorized"
            seen.add(401)
    assert seen == {200, 401}


@pytest.mark.timeout(150)
def test_rotated_keys_work_both_until_the_moment_stated_and_then_one(shop: Shop) -> None:
    old = shop.stack.admin(f"/consumers/{shop.name}/key-auth")
    rotated = shop.stack.admin(f"/tollway/v1/keys/{old['id']}/rotate", expire_old_after=4)
    shop.stack.wait_ready()
    end = datetime.fromisoformat(rotated["old_expires_at"])
    seen = set()
    while (before := datetime.now(UTC)) < end + timedelta(seconds=1):
        answer = shop.get(key=old["key"])
        if datetime.now(UTC) < end:
            assert answer.status_code == 200
            seen.add(200)
        if before >= end:
            assert answer.status_code == 401
            seen.add(401)
        assert shop.get(key=rotated["key"]).status_code == 200
    assert seen == {200, 401}
