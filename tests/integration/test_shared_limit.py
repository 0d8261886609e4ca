"""Two gateways that count in one Redis: exactly the limit pass, and what happens while Redis is away."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import httpx2
import pytest

from tests.support.gateway import open_store
from tests.support.granting import granted
from tests.support.redis import Redis
from tests.support.stack import Gateway, Stack
from tests.support.traffic import Client, Upstream, statuses_together
from tollway.contracts.entitlement import EntitlementView
from tollway.gateway.engine import NativeEngineCheck
from tollway.storage.database import Database

pytestmark = pytest.mark.one_database

LIMIT = 300
"""Of a year: a window whose edge no test run meets."""
CLIENTS, EACH = 24, 25
SECRET = "the secret that both gateways have"
REFERENCE = "{vault://env/tollway-redis-password}"
"""Gateways have it from TOLLWAY_REDIS_URL."""
CATALOG = """
_format_version: "1.0"
currency: USD
meters: [{name: api_calls, aggregation: count}]
plans: [{name: pro, rate_limit: {minute: 1000}}]
"""


class Street:
    """Two gateways with one control, one worker and one Redis, in front of an upstream."""

    def __init__(self, stack: Stack, second: Gateway, redis: Redis) -> None:
        self.stack = stack
        self.second = second
        self.redis = redis
        self.proxies = (stack.ports["proxy"], second.ports["proxy"])

    def consumer(self, name: str, **config: Any) -> str:
        """Make a consumer with a limit in Redis; return its key."""
        key = f"the-key-of-{name}"
        redis = {"host": "127.0.0.1", "port": self.redis.port, "timeout": 250, "password": REFERENCE}
        self.stack.admin("/consumers", username=name)
        self.stack.admin(f"/consumers/{name}/key-auth", key=key)
        config = {"policy": "redis", "redis": redis, **config}
        self.stack.admin(f"/consumers/{name}/plugins", name="rate-limiting", config=config)
        self.wait_ready()
        return key

    def wait_ready(self) -> None:
        """Return once both gateways serve the newest configuration."""
        self.stack.wait_ready()
        self.second.wait_ready()

    def get(self, key: str, *, second: bool = False) -> httpx2.Response:
        """Ask one of the gateways."""
        url = self.second.url("proxy") if second else self.stack.url("proxy")
        return httpx2.get(f"{url}/length", headers={"apikey": key}, timeout=20)

    def remaining(self, key: str) -> int:
        """Return what is left of a year's limit, once Redis counts."""
        while True:
            answer = self.get(key)
            if "X-RateLimit-Remaining-Year" in answer.headers:
                return int(answer.headers["X-RateLimit-Remaining-Year"])
            time.sleep(0.02)

    def grant(self, name: str, view: EntitlementView) -> None:
        """Say what a consumer may use."""
        url = self.stack.environment.get(
            "TOLLWAY_DATABASE_URL", f"sqlite:///{self.stack.folder}/data/tollway.db"
        )
        database = Database(url, "main")
        try:
            with open_store(database, NativeEngineCheck()).write() as gateway:
                consumer = gateway.consumers.get(name)
                gateway.consumers.attribute(consumer.id, consumer.attribution, view)
        finally:
            database.close()
        self.wait_ready()

    def metric(self, sample: str) -> float:
        """Return a figure of the first gateway."""
        lines = httpx2.get(f"{self.stack.url('status')}/metrics", timeout=20).text.splitlines()
        found = [line.rpartition(" ")[2] for line in lines if line.startswith(f"{sample} ")]
        assert len(found) == 1, sample
        return float(found[0])


@pytest.fixture(scope="module")
def street(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Street]:
    folder = tmp_path_factory.mktemp("shared")
    redis = Redis(folder / "redis", "--requirepass", "open sesame")
    stack = Stack(
        folder,
        TOLLWAY_GATEWAY_WORKERS="2",
        TOLLWAY_SECRET_KEY=SECRET,
        TOLLWAY_REDIS_URL=f"redis://:open%20sesame@127.0.0.1:{redis.port}",
    )
    second = Gateway(stack, "second")
    with (
        redis.running(),
        Upstream().running() as upstream,
        stack.running(),
        second.running(),
    ):
        stack.admin("/services", name="api", url=f"http://127.0.0.1:{upstream.port}")
        stack.admin("/services/api/routes", name="all", paths=["/"])
        stack.admin("/services/api/plugins", name="key-auth")
        yield Street(stack, second, redis)


@pytest.mark.timeout(240)
def test_over_two_gateways_exactly_the_limit_pass_and_are_metered(street: Street) -> None:
    key = street.consumer("exact", year=LIMIT, fault_tolerant=False)
    clients = [Client(street.proxies[number % 2], key) for number in range(CLIENTS)]
    statuses = statuses_together(clients, "/length", EACH)
    assert statuses == {200: LIMIT, 429: CLIENTS * EACH - LIMIT}
    passed = {identifier for client in clients for identifier in client.acknowledged}
    assert len(passed) == LIMIT
    # Each is metered once, whichever gateway served it.
    events = [event["request_id"].replace("-", "") for event in street.stack.events()]
    assert Counter(events) == Counter(passed)


@pytest.mark.timeout(240)
def test_neither_limit_nor_quota_is_charged_for_what_the_other_refuses(street: Street) -> None:
    key = street.consumer("both", year=3, fault_tolerant=False)
    view = granted(quota=0)

    def call(quota: int) -> Counter[tuple[int, str | None]]:
        view["quotas"][0]["limit"] = quota
        street.grant("both", view)
        answers = [street.get(key) for _ in range(8)]
        codes = [answer.json()["code"] if answer.status_code == 429 else None for answer in answers]
        return Counter((answer.status_code, code) for answer, code in zip(answers, codes, strict=True))

    assert call(quota=2) == {(200, None): 2, (429, "quota_exceeded"): 6}
    # The quota's six refusals took nothing of the limit of three, and the limit's seven nothing of the quota.
    assert call(quota=4) == {(200, None): 1, (429, "rate_limited"): 7}
    refused = street.get(key)
    assert refused.headers["X-RateLimit-Remaining-Year"] == "0"
    assert '"quota:api_calls";r=1;' in refused.headers["RateLimit"]


@pytest.mark.timeout(240)
def test_without_redis_requests_pass_or_fail_as_configured_until_it_is_back(street: Street) -> None:
    open_key = street.consumer("open", year=1000, fault_tolerant=True)
    closed_key = street.consumer("closed", year=1000, fault_tolerant=False)
    first = street.get(open_key)
    assert first.headers["X-RateLimit-Remaining-Year"] == "999"
    assert first.headers["RateLimit"].startswith('"year";r=999;t=')
    # The other gateway goes on where this one was.
    assert street.get(open_key, second=True).headers["X-RateLimit-Remaining-Year"] == "998"
    assert street.get(closed_key).status_code == 200

    street.redis.kill()
    uncounted = street.metric("tollway_requests_uncounted_total")
    failed = street.metric('tollway_redis_failures_total{reason="unreachable"}')
    passed = [street.get(open_key) for _ in range(5)]
    assert [answer.status_code for answer in passed] == [200] * 5
    assert "X-RateLimit-Remaining-Year" not in passed[0].headers
    refused = [street.get(closed_key) for _ in range(5)]
    assert [answer.status_code for answer in refused] == [500] * 5
    assert refused[0].json()["message"] == "An unexpected error occurred"
    assert street.metric("tollway_requests_uncounted_total") == uncounted + 5
    assert street.metric('tollway_redis_failures_total{reason="unreachable"}') == failed + 10

    street.redis.start()
    _eventually(lambda: street.get(closed_key).status_code == 200)
    before = street.remaining(open_key)
    assert street.remaining(open_key) == before - 1


@pytest.mark.timeout(240)
def test_a_redis_that_hangs_is_not_waited_for_beyond_its_timeout(street: Street) -> None:
    key = street.consumer("patient", year=1000, fault_tolerant=True)
    street.remaining(key)
    with street.redis.stopped():
        # Had they to wait for Redis, they would wait for ever.
        answers = [street.get(key) for _ in range(20)]
        assert {answer.status_code for answer in answers} == {200}
        assert street.metric('tollway_redis_failures_total{reason="timeout"}') >= 1
    street.remaining(key)


def test_limits_of_plans_are_counted_there_and_the_password_stays_out_of_the_configuration(
    street: Street, tmp_path: Path
) -> None:
    catalog = tmp_path / "catalog.yaml"
    catalog.write_text(CATALOG)
    street.stack.tollway("catalog", "apply", str(catalog))
    answer = httpx2.get(f"{street.stack.url('admin')}/plugins", timeout=20)
    plans = [plugin["config"] for plugin in answer.json()["data"] if plugin["consumer_group"]]
    assert [(config["policy"], config["minute"]) for config in plans] == [("redis", 1000)]
    assert plans[0]["redis"]["port"] == street.redis.port
    assert plans[0]["redis"]["password"] == REFERENCE
    assert "open sesame" not in answer.text


def _eventually(done: Callable[[], bool]) -> None:
    give_up = time.monotonic() + 60
    while not done():
        assert time.monotonic() < give_up
        time.sleep(0.05)
