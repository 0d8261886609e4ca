"""`/tollway/v1/payments` over the sandbox."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from uuid import uuid4

import pytest
from starlette.testclient import TestClient

from tests.support.payments import Till
from tollway.app.payment_report import PaymentDesk
from tollway.storage.idempotency import SqlIdempotency
from tollway.web.api import create_api_app
from tollway.web.api.payments import payments_router


@pytest.fixture
def till(tmp_path: Path) -> Iterator[Till]:
    till = Till(tmp_path)
    yield till
    till.close()


@pytest.fixture
def api(till: Till) -> TestClient:
    desk = PaymentDesk(till.world.main, till.payments, till.world.clock)
    idempotency = SqlIdempotency(till.world.main, till.world.clock)
    return TestClient(create_api_app([payments_router(desk)], idempotency=idempotency, version="0"))


def test_payments_are_listed_page_by_page_and_read(till: Till, api: TestClient) -> None:
    made = []
    for card in ("succeeds", "declined", "needs_action"):
        subscription, invoice = till.subscribe()
        till.card(subscription.customer, card)
        made.append(till.payments.collecting.collect(invoice.id))
    first = api.get("/payments", params={"limit": 2}).json()
    assert [row["id"] for row in first["data"]] == [str(made[2].id), str(made[1].id)]
    second = api.get("/payments", params={"cursor": first["next_cursor"]}).json()
    assert ([row["id"] for row in second["data"]], second["has_more"]) == ([str(made[0].id)], False)
    (declined,) = api.get(
        "/payments", params={"status": "declined", "customer": str(made[1].customer)}
    ).json()["data"]
    assert (declined["reason"], declined["amount"], declined["mode"]) == ("card_declined", "49.00", "live")
    assert api.get(f"/payments/{made[0].id}").json()["attempts"][0]["status"] == "succeeded"
    for path in (f"/payments/{uuid4()}", "/payments/nothing"):
        assert api.get(path).json()["code"] == "not_found"
    assert api.get("/payments", params={"status": "lost"}).json()["code"] == "invalid_request"


def test_a_refund_is_made_once_for_its_key(till: Till, api: TestClient) -> None:
    subscription, invoice = till.subscribe()
    till.card(subscription.customer)
    path = f"/payments/{till.payments.collecting.collect(invoice.id).id}/refunds"
    for replayed in (False, True):
        answer = api.post(path, json={"amount": "9.00"}, headers={"Idempotency-Key": "a-courtesy"})
        assert answer.status_code == 201
        assert ("idempotent-replayed" in answer.headers) is replayed
        assert (answer.json()["refunded"], answer.json()["status"]) == ("9.00", "partially_refunded")
    for amount in ("41", "0", "-1", "1.001", "x"):
        refused = api.post(path, json={"amount": amount})
        assert (refused.status_code, refused.json()["errors"][0]["location"]) == (400, "amount")
    assert api.post(path, json={"reason": "all of it"}).json()["status"] == "refunded"
    again = api.post(path, json={})
    assert (again.status_code, again.json()["code"]) == (409, "conflict")
    assert till.balances()["revenue:refunds"] == 4900
