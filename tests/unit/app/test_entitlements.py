"""What billing says a consumer may use is what the gateway has, and stays so by itself."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from tests.support.shop import END, START, Shop
from tollway.app.plans import tell_offers
from tollway.billing.subscriptions import Timing
from tollway.contracts.entitlement import QuotaView
from tollway.kernel.instants import from_micros, to_micros
from tollway.kernel.mode import Mode
from tollway.storage.commerce import Commerce

CATALOG = """
_format_version: "1.0"
currency: USD
meters:
  - {name: api_calls, aggregation: count, filter: {status: ["2xx"], method: [GET]}}
  - {name: tiles, aggregation: count, filter: {route: [tiles]}, completion: any}
  - {name: traffic, aggregation: sum, sum: bytes_out}
plans:
  - {name: free, features: [data_v1], quota: {api_calls: 100, tiles: 5}}
  - name: pro
    features: [data_v1, data_v2]
    quota: {api_calls: 1000}
    prices: [{model: flat, amount: "49.00"}]
  - {name: open, features: [data_v1]}
addons:
  - {name: more, quota: {api_calls: 50, traffic: 7}, prices: [{model: flat, amount: "5.00"}]}
  - {name: maps, features: [maps, data_v2], prices: [{model: flat, amount: "19.00"}]}
"""


@pytest.fixture
def shop(tmp_path: Path) -> Iterator[Shop]:
    shop = Shop(tmp_path)
    shop.apply(CATALOG)
    shop.consumer("acme")
    yield shop
    shop.store.database.close()


def _quotas(shop: Shop) -> dict[str, QuotaView]:
    view = shop.entitlement("acme")
    assert view is not None
    return {quota["meter"]: quota for quota in view["quotas"]}


def test_a_subscription_grants_what_its_plan_has(shop: Shop) -> None:
    assert shop.entitlement("acme") is None
    subscription = shop.subscribing.create("acme", "pro", Mode.LIVE)
    view = shop.entitlement("acme")
    assert view is not None
    assert (view["subscription"], view["plan"], view["addons"]) == (str(subscription.id), "pro", [])
    assert view["features"] == ["data_v1", "data_v2"]
    (quota,) = view["quotas"]
    months = [START, END, datetime(2026, 3, 10, 9, tzinfo=UTC)]
    assert [from_micros(edge) for edge in quota["boundaries"][:3]] == months
    assert quota | {"boundaries": []} == {
        "meter": "api_calls",
        "counted": "requests",
        "filter": {"status": ["2xx"], "method": ["GET"], "route": []},
        "any_completion": False,
        "limit": 1000,
        "boundaries": [],
    }


def test_add_ons_add_features_and_quota_at_once_and_take_them_along(shop: Shop) -> None:
    shop.subscribing.create("acme", "free", Mode.LIVE)
    shop.subscribing.add_on("acme", "maps")
    shop.subscribing.add_on("acme", "more")
    view = shop.entitlement("acme")
    assert view is not None
    assert (view["addons"], view["features"]) == (["maps", "more"], ["data_v1", "data_v2", "maps"])
    # The plan doesn't limit traffic, so an add-on that has more of it doesn't either.
    assert {name: quota["limit"] for name, quota in _quotas(shop).items()} == {"api_calls": 150}
    change = shop.subscribing.remove_add_on("acme", "maps")
    assert change.effective_at == END
    assert shop.entitlement("acme") == view
    assert shop.subscribing.settle(END - timedelta(microseconds=1)) == 0
    shop.clock.advance(END - START)
    assert shop.subscribing.settle(END) == 1
    view = shop.entitlement("acme")
    assert view is not None
    assert (view["addons"], view["features"]) == (["more"], ["data_v1"])
    shop.subscribing.remove_add_on("acme", "more", Timing.NOW)
    assert _quotas(shop)["api_calls"]["limit"] == 100


def test_an_upgrade_keeps_the_period_and_so_what_was_used(shop: Shop) -> None:
    shop.subscribing.create("acme", "free", Mode.LIVE)
    before = _quotas(shop)["api_calls"]
    shop.clock.advance(timedelta(days=3))
    shop.subscribing.change("acme", "pro")
    after = _quotas(shop)["api_calls"]
    assert (before["limit"], after["limit"]) == (100, 1000)
    assert after["boundaries"] == before["boundaries"]


def test_who_cancels_has_nothing_from_the_end_on(shop: Shop) -> None:
    shop.subscribing.create("acme", "pro", Mode.LIVE)
    shop.subscribing.cancel("acme", Timing.PERIOD_END)
    assert shop.entitlement("acme") is not None
    shop.clock.advance(END - START)
    assert shop.subscribing.settle(END) == 1
    assert shop.entitlement("acme") is None
    assert shop.subscribing.settle(END + timedelta(days=4000)) == 0


def test_at_least_two_ends_of_periods_lie_ahead_whenever_it_is(shop: Shop) -> None:
    shop.subscribing.create("acme", "pro", Mode.LIVE)
    version = shop.version()
    for day in range(0, 400, 9):
        now = START + timedelta(days=day)
        shop.clock.advance(now - shop.clock.now())
        shop.subscribing.settle(now)
        edges = _quotas(shop)["api_calls"]["boundaries"]
        assert edges[0] <= to_micros(now)
        assert sum(1 for edge in edges if edge > to_micros(now)) >= 2
    assert shop.version() <= version + 7, "not told of each period"


def test_a_meter_that_counts_something_else_is_told_of(shop: Shop) -> None:
    shop.subscribing.create("acme", "pro", Mode.LIVE)
    shop.apply(CATALOG.replace("[GET]", "[GET, POST]"))
    assert shop.subscribing.settle(START) == 1
    assert _quotas(shop)["api_calls"]["filter"]["method"] == ["GET", "POST"]
    assert shop.subscribing.settle(START) == 0


def test_a_meter_of_a_route_limits_once_the_route_is_there(shop: Shop) -> None:
    shop.subscribing.create("acme", "free", Mode.LIVE)
    assert sorted(_quotas(shop)) == ["api_calls"]
    with shop.store.write() as gateway:
        gateway.services.create({"name": "data", "host": "127.0.0.1"})
        route = gateway.routes.create({"name": "tiles", "paths": ["/t"], "service": {"name": "data"}})
    assert shop.subscribing.settle(START) == 1
    tiles = _quotas(shop)["tiles"]
    assert (tiles["filter"]["route"], tiles["any_completion"]) == ([str(route.id)], True)


def test_refusals_know_who_has_a_feature_and_where_it_is_sold(shop: Shop) -> None:
    with shop.store.read() as gateway:
        offers = {offer["feature"]: offer for offer in gateway.shop.get().offers}
    assert offers["data_v2"] == {"feature": "data_v2", "plans": ["pro"], "addons": ["maps"]}
    assert offers["data_v1"]["plans"] == ["free", "open", "pro"]
    with shop.store.database.write() as connection, shop.store.join(connection) as gateway:
        tell_offers(gateway, Commerce(connection, shop.clock), "https://portal.example.com")
    shop.apply(CATALOG.replace("features: [maps, data_v2]", "features: [maps]"))
    with shop.store.read() as gateway:
        said = gateway.shop.get()
    assert said.portal_url == "https://portal.example.com"
    assert [offer["addons"] for offer in said.offers if offer["feature"] == "data_v2"] == [[]]


def test_test_clocks_go_ahead_and_never_back(shop: Shop) -> None:
    shop.subscribing.create("acme", "pro", Mode.TEST)
    shop.subscribing.change("acme", "free")
    shop.subscribing.settle(END, Mode.TEST)
    ahead = shop.entitlement("acme")
    assert ahead is not None
    assert ahead["plan"] == "free"
    shop.apply(CATALOG.replace("[GET]", "[GET, POST]"))
    shop.subscribing.settle(START + timedelta(seconds=1))
    view = shop.entitlement("acme")
    assert view is not None
    assert view["plan"] == "free"
    assert view["quotas"][0]["boundaries"] == ahead["quotas"][0]["boundaries"]
