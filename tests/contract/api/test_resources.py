"""The resources of `/tollway/v1`, over a seller's world with usage."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from starlette.testclient import TestClient

from tests.support.commerce import CATALOG, START, World
from tests.support.gateway import Engine, NoGateways, open_store
from tollway.app.api import api_app
from tollway.app.plans import apply_catalog_file
from tollway.app.settings import Settings
from tollway.app.shop import Shop
from tollway.app.usage import usage_over
from tollway.web.admin import create_admin_app

FIRST_END = START.replace(month=2, day=28)
CATALOG = CATALOG.replace("addons:", "addons:\n  - {name: quota, quota: {api_calls: 5}}").replace(
    "  - name: pro\n", "  - name: pro\n    features: [data_v1]\n    quota: {api_calls: 30}\n"
)


class Api:
    """A shop behind the API, and its world."""

    def __init__(self, folder: Path) -> None:
        self.world = World(folder)
        world = self.world
        store = open_store(world.main, Engine(), world.clock)
        apply_catalog_file(store, world.clock, CATALOG.encode(), "catalog.yaml")
        with store.write() as gateway:
            for name in ("acme", "hobby"):
                gateway.consumers.create({"username": name})
        usage = usage_over(world.main, world.usage_database, world.log, world.clock)
        shop = Shop(Settings(data_dir=folder), store, usage, NoGateways(), world.clock)
        app = create_admin_app(units=store, gateways=NoGateways(), listen="127.0.0.1:8001", api=api_app(shop))
        self.client = TestClient(app, base_url="http://localhost:8001")

    def get(self, path: str, status: int = 200, **query: Any) -> Any:
        answer = self.client.get(f"/tollway/v1{path}", params=query)
        assert answer.status_code == status, answer.text
        return answer.json()

    def post(self, path: str, status: int = 200, *, key: str | None = None, **body: Any) -> Any:
        headers = {} if key is None else {"Idempotency-Key": key}
        answer = self.client.post(f"/tollway/v1{path}", json=body, headers=headers)
        assert answer.status_code == status, answer.text
        return answer.json()


@pytest.fixture
def api(tmp_path: Path) -> Iterator[Api]:
    api = Api(tmp_path)
    yield api
    api.world.close()


def test_what_is_on_sale(api: Api) -> None:
    plans = api.get("/plans")
    assert [plan["name"] for plan in plans["data"]] == [
        "calendar",
        "daily",
        "enterprise",
        "free",
        "nothing",
        "pro",
        "yearly",
    ]
    pro = api.get("/plans/pro")
    assert pro == plans["data"][5]
    assert (pro["version"], pro["recurring_fee"], pro["quota"]) == (2, "49.00", {"api_calls": 30})
    assert pro["prices"][0] == {"model": "flat", "amount": "49"}
    page = api.get("/plans", limit=3)
    assert page["has_more"] is True
    rest = api.get("/plans", cursor=page["next_cursor"])
    assert [plan["name"] for plan in rest["data"]] == ["free", "nothing", "pro", "yearly"]
    assert [addon["name"] for addon in api.get("/add-ons")["data"]] == ["analytics", "bulk", "quota"]
    assert api.get("/add-ons/analytics")["features"] == ["analytics_advanced"]
    assert api.get("/plans/gold", 404)["code"] == "not_found"
    assert api.get("/add-ons/gold", 404)["detail"] == "no add-on named 'gold'"


def test_a_subscription_from_preview_to_invoice(api: Api) -> None:
    wanted = {"consumer": "acme", "plan": "pro"}
    preview = api.post("/subscriptions/preview", **wanted)
    assert (preview["timing"], preview["total_now"]) == ("now", "49.00")
    assert api.get("/subscriptions")["data"] == []
    made = api.post("/subscriptions", 201, key="a", **wanted)
    assert api.post("/subscriptions", 201, key="a", **wanted) == made
    assert api.post("/subscriptions", 409, key="b", **wanted)["code"] == "conflict"
    path = f"/subscriptions/{made['id']}"
    assert api.get(path) == made
    assert (made["plan"], made["plan_version"], made["status"]) == ("pro", "pro/2", "active")
    api.world.run()
    (row,) = api.get("/invoices", customer=made["customer"])["data"]
    assert (row["number"], row["total"]) == ("INV-000001", "49.00")
    assert api.get("/invoices/INV-000001")["lines"] == preview["due_now"][0]["lines"]
    assert api.get(f"/invoices/{row['id']}/lines")["data"] == preview["due_now"][0]["lines"]
    assert api.get("/customers")["data"] == [api.get(f"/customers/{made['customer']}")]

    api.world.go_to(START + (FIRST_END - START) / 2)
    before = api.post(f"{path}/add-ons/preview", add_on="analytics")
    assert (before["total_now"], before["due_now"]) == ("0.00", [])
    assert before["upcoming_at"] == "2026-02-28T10:20:30.123456Z"
    fees = [line["total"] for line in before["upcoming"]["lines"] if line["add_on"]]
    assert fees == ["9.50", "19.00"]
    added = api.post(f"{path}/add-ons", 201, add_on="analytics")
    assert [item["version"] for item in added["subscription"]["add_ons"]] == ["analytics/1"]
    api.post(f"{path}/add-ons", 201, add_on="quota")
    seen = api.get(f"{path}/overview")
    assert seen["features"] == ["analytics_advanced", "data_v1"]
    assert seen["meters"] == [{"meter": "api_calls", "used": "0", "limit": 35, "left": "35"}]
    assert api.get(f"{path}/next-invoice")["upcoming"]["total"] == before["upcoming"]["total"]

    removal = api.post(f"{path}/add-ons/quota/remove/preview", timing="now")
    assert removal["timing"] == "now"
    assert api.post(f"{path}/add-ons/quota/remove", timing="now")["timing"] == "now"
    assert api.post(f"{path}/add-ons/analytics/remove")["effective_at"] == before["upcoming_at"]
    up = api.post(f"{path}/change/preview", plan="enterprise")
    assert (up["timing"], up["total_now"]) == ("now", "234.50")
    assert api.post(f"{path}/change", plan="enterprise")["subscription"]["plan"] == "enterprise"
    assert api.post(f"{path}/change", plan="free")["timing"] == "period_end"
    cancelled = api.post(f"{path}/cancel", timing="period_end")
    assert (cancelled["status"], cancelled["ends_at"]) == ("ending", before["upcoming_at"])
    api.world.go_to(FIRST_END + timedelta(seconds=1))
    api.world.run()
    assert api.get(path)["status"] == "ended"
    totals = [row["total"] for row in api.get("/invoices", subscription=made["id"])["data"]]
    assert totals[1] == up["total_now"]
    assert api.post(f"{path}/change", 409, plan="pro")["code"] == "conflict"
    assert api.get(f"{path}/overview", 409)["code"] == "conflict"


def test_a_subscription_that_ended_is_not_mistaken_for_the_next(api: Api) -> None:
    first = api.post("/subscriptions", 201, consumer="acme", plan="pro")
    api.world.go_to(START + timedelta(days=1))
    api.post(f"/subscriptions/{first['id']}/cancel", timing="now")
    api.world.go_to(START + timedelta(days=2))
    second = api.post("/subscriptions", 201, consumer="acme", plan="free")
    refused = api.post(f"/subscriptions/{first['id']}/change", 409, plan="enterprise")
    assert "ended at" in refused["detail"]
    assert api.get(f"/subscriptions/{second['id']}")["plan"] == "free"


def test_lists_in_pages(api: Api) -> None:
    for name in ("acme", "hobby"):
        api.post("/subscriptions", 201, consumer=name, plan="pro", mode="live" if name == "acme" else "test")
    api.world.run()
    for path in ("/customers", "/subscriptions", "/invoices"):
        first = api.get(path, limit=1)
        assert first["has_more"] is True
        second = api.get(path, limit=1, cursor=first["next_cursor"])
        assert (second["has_more"], len(second["data"])) == (False, 1)
        assert first["data"] != second["data"]
        assert [row["mode"] for row in api.get(path, mode="test")["data"]] == ["test"]
        assert api.get(path, 400, cursor="WyJhIl0")["errors"][0]["location"] == "query.cursor"


@pytest.mark.parametrize(
    ("path", "body", "location"),
    [
        ("/subscriptions", {"consumer": "acme"}, "body.plan"),
        ("/subscriptions", {"consumer": "acme", "plan": "pro", "price": "0"}, "body.price"),
        ("/subscriptions", {"consumer": "acme", "plan": "pro", "mode": "free"}, "body.mode"),
        ("/subscriptions", {"consumer": "acme", "plan": ["pro"]}, "body.plan"),
    ],
)
def test_a_wrong_body_names_the_field(api: Api, path: str, body: dict[str, Any], location: str) -> None:
    problem = api.post(path, 400, **body)
    assert problem["code"] == "invalid_request"
    assert [fault["location"] for fault in problem["errors"]] == [location]


@pytest.mark.parametrize(
    "path", ["/subscriptions/x", "/subscriptions/00000000-0000-0000-0000-000000000000", "/invoices/INV-9"]
)
def test_what_there_is_not(api: Api, path: str) -> None:
    assert api.get(path, 404)["code"] == "not_found"


def test_every_resource_is_described(api: Api) -> None:
    document = api.client.get("/openapi.json").json()
    assert {path.split("/")[1] for path in document["paths"]} == {
        "add-ons",
        "customers",
        "events",
        "invoices",
        "keys",
        "payments",
        "plans",
        "subscriptions",
    }
    for path, operations in document["paths"].items():
        for operation in operations.values():
            assert operation["summary"], path
            assert "default" in operation["responses"]
    keyed = document["paths"]["/subscriptions"]["post"]["parameters"]
    assert [parameter["name"] for parameter in keyed] == ["Idempotency-Key"]
