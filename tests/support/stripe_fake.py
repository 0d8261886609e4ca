"""A stateful fake of Stripe: what localstripe and stripe-mock lack, and the failures between call and answer.

It speaks HTTP on loopback as Stripe's API does, as far as Tollway asks: idempotency keys kept for 24 hours
with their answers, Checkout in setup mode, payment intents, refunds, meters with summaries, subscription
items, signed events. Cards are chosen by behaviour, in the words of the contract suite's benches.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping
from typing import Any, ClassVar

import stripe

from tests.support.stripe_server import Check, Refusal, StripeServer, Thing, page
from tollway.billing.payments.results import ChargeStatus

__all__ = ["StripeFake"]


class StripeFake(StripeServer):
    """Stripe's state, and its server while `running`."""

    CARDS: ClassVar[Mapping[str, str]] = {
        "succeeds": "4242",
        "declined": "0002",
        "no_funds": "9995",
        "needs_action": "3184",
        "settles_later": "0077",
        "timeout_after": "1001",
        "timeout_before": "1002",
        "busy": "1003",
        "breaks": "1004",
    }

    def __init__(self, check: Check | None = None) -> None:
        super().__init__(check)
        self.things: dict[str, Thing] = {}
        self.events: list[Thing] = []
        self.meter_events: list[Thing] = []
        self._count = 0

    # What a test does in place of people and banks

    def choose(self, session: str, behaviour: str) -> None:
        """Save a card on a Checkout page."""
        with self.lock:
            found = self._get(session, "checkout.session")
            method = self._new(
                "payment_method",
                "pm",
                type="card",
                customer=found["customer"],
                behaviour=behaviour,
                card={"brand": "visa", "last4": self.CARDS[behaviour], "exp_month": 12, "exp_year": 2034},
            )
            intent = self._new("setup_intent", "seti", status="succeeded", payment_method=method["id"])
            found.update(status="complete", setup_intent=intent["id"], url=None)
            self._event("checkout.session.completed", found)

    def confirm(self, intent: str, *, approve: bool) -> None:
        """Confirm a payment on the bank's page, or refuse it."""
        with self.lock:
            found = self._get(intent, "payment_intent")
            if found["status"] != "requires_action":
                return
            found["next_action"] = None
            if approve:
                self._succeed(found)
            else:
                self._fail(found, "payment_intent_authentication_failure", None)

    def settle(self, intent: str) -> ChargeStatus:
        """Let what is processing succeed."""
        with self.lock:
            self._succeed(self._get(intent, "payment_intent"))
        return ChargeStatus.SUCCEEDED

    def refund_there(self, intent: str, amount: int) -> None:
        """Give money back in Stripe's dashboard, without Tollway."""
        with self.lock:
            self._refund({"payment_intent": intent, "amount": amount})

    def fail_refund(self, refund: str) -> None:
        """Have the bank send a refund back."""
        with self.lock:
            found = self._get(refund, "refund")
            found.update(status="failed", failure_reason="lost_or_stolen_card")
            self._event("refund.failed", found)

    def of_kind(self, kind: str) -> list[Thing]:
        """Return everything there is of a kind."""
        with self.lock:
            return [thing for thing in self.things.values() if thing["object"] == kind]

    def signed(self, event: Thing, secret: str = StripeServer.WEBHOOK_SECRET) -> tuple[bytes, dict[str, str]]:
        """Return an event's body and headers as Stripe sends them."""
        body = json.dumps(event)
        header = stripe.WebhookSignature.generate_signature_header(body, secret)
        return body.encode(), {"Stripe-Signature": header}

    def behaviour(self, data: Thing) -> str | None:
        """See `StripeServer.behaviour`."""
        method = data.get("payment_method")
        if method is None and "payment_intent" in data:
            method = self.things.get(data["payment_intent"], {}).get("payment_method")
        found = self.things.get(method or "")
        return None if found is None else found.get("behaviour")

    def route(self, method: str, path: str, data: Thing) -> Thing:
        """See `StripeServer.route`."""
        for verb, pattern, action in _ROUTES:
            match = re.fullmatch(pattern, path)
            if verb == method and match:
                answer: Thing = action(self, data, *match.groups())
                return answer
        raise Refusal(404, "invalid_request_error", f"Unrecognized request URL ({method}: {path})")

    # Objects

    def _customer(self, data: Thing) -> Thing:
        return self._new("customer", "cus", name=data.get("name"), metadata=data.get("metadata", {}))

    def _session(self, data: Thing) -> Thing:
        self._get(data["customer"], "customer")
        made = self._new(
            "checkout.session",
            "cs_test",
            mode=data["mode"],
            customer=data["customer"],
            status="open",
            setup_intent=None,
            metadata=data.get("metadata", {}),
        )
        made["url"] = f"https://checkout.stripe.test/c/pay/{made['id']}"
        return made

    def _session_shown(self, data: Thing, id_: str) -> Thing:
        found = dict(self._get(id_, "checkout.session"))
        if "setup_intent.payment_method" in data.get("expand", []) and found["setup_intent"]:
            intent = dict(self.things[found["setup_intent"]])
            intent["payment_method"] = self.things[intent["payment_method"]]
            found["setup_intent"] = intent
        return found

    def _detach(self, _data: Thing, id_: str) -> Thing:
        found = self._get(id_, "payment_method")
        if found["customer"] is None:
            raise Refusal(400, "invalid_request_error", "The payment method is not attached to a customer")
        found["customer"] = None
        return found

    def _intent(self, data: Thing) -> Thing:
        method = self._get(data["payment_method"], "payment_method")
        if method["customer"] != data["customer"]:
            raise Refusal(400, "invalid_request_error", "The PaymentMethod doesn't belong to the Customer")
        made = self._new(
            "payment_intent",
            "pi",
            amount=int(data["amount"]),
            currency=data["currency"],
            customer=data["customer"],
            payment_method=method["id"],
            metadata=data.get("metadata", {}),
            status="requires_confirmation",
            next_action=None,
            last_payment_error=None,
        )
        behaviour, absent = method["behaviour"], data.get("off_session") == "true"
        if behaviour == "settles_later":
            made["status"] = "processing"
        elif behaviour == "needs_action" and not absent:
            made["status"] = "requires_action"
            page = {"url": f"https://hooks.stripe.test/3ds/{made['id']}", "return_url": data["return_url"]}
            made["next_action"] = {"type": "redirect_to_url", "redirect_to_url": page}
        elif behaviour == "needs_action":
            self._fail(made, "authentication_required", "authentication_required")
        elif behaviour == "declined":
            self._fail(made, "card_declined", "generic_decline")
        elif behaviour == "no_funds":
            self._fail(made, "card_declined", "insufficient_funds")
        else:
            self._succeed(made)
        error = made["last_payment_error"]
        if error is not None:
            raise Refusal(402, error["type"], error["message"], **_rest(error), payment_intent=dict(made))
        return made

    def _intents(self, data: Thing) -> Thing:
        since = int(data.get("created", {}).get("gte", 0))
        found = [
            one
            for one in self.of_kind("payment_intent")
            if one["customer"] == data["customer"] and one["created"] >= since
        ]
        return page(found, data, "/v1/payment_intents")

    def _cancel(self, _data: Thing, id_: str) -> Thing:
        found = self._get(id_, "payment_intent")
        if found["status"] in {"succeeded", "canceled", "processing"}:
            raise Refusal(
                400,
                "invalid_request_error",
                f"You cannot cancel this PaymentIntent: it is {found['status']}",
                code="payment_intent_unexpected_state",
            )
        found.update(status="canceled", next_action=None)
        self._event("payment_intent.canceled", found)
        return found

    def _refund(self, data: Thing) -> Thing:
        intent = self._get(data["payment_intent"], "payment_intent")
        given = sum(
            one["amount"]
            for one in self.of_kind("refund")
            if one["payment_intent"] == intent["id"] and one["status"] != "failed"
        )
        if intent["status"] != "succeeded" or given + int(data["amount"]) > intent["amount"]:
            raise Refusal(400, "invalid_request_error", "Refund amount is greater than unrefunded amount")
        made = self._new(
            "refund",
            "re",
            amount=int(data["amount"]),
            currency=intent["currency"],
            payment_intent=intent["id"],
            metadata=data.get("metadata", {}),
            status="succeeded",
            failure_reason=None,
        )
        self._event("refund.created", made)
        return made

    def _refunds(self, data: Thing) -> Thing:
        found = [one for one in self.of_kind("refund") if one["payment_intent"] == data["payment_intent"]]
        return page(found, data, "/v1/refunds")

    def _meter(self, data: Thing) -> Thing:
        if any(one["event_name"] == data["event_name"] for one in self.of_kind("billing.meter")):
            raise Refusal(400, "invalid_request_error", "An active meter with this event name exists")
        return self._new("billing.meter", "mtr", status="active", event_name=data["event_name"])

    def _meters(self, data: Thing) -> Thing:
        return page(self.of_kind("billing.meter"), data, "/v1/billing/meters")

    def _meter_event(self, data: Thing) -> Thing:
        at = int(data["timestamp"])
        if not self.now() - 35 * 86_400 <= at <= self.now() + 300:
            raise Refusal(400, "invalid_request_error", "The timestamp is outside of the window")
        if not data["payload"]["value"].isdigit():
            raise Refusal(400, "invalid_request_error", "The value must be a whole number")
        if any(
            one["identifier"] == data["identifier"] and self.now() - one["sent"] < 86_400
            for one in self.meter_events
        ):
            raise Refusal(
                400,
                "invalid_request_error",
                f"An event already exists with identifier {data['identifier']}.",
                code="duplicate_meter_event",
            )
        self.meter_events.append({**data, "sent": self.now()})
        return {"object": "billing.meter_event", "created": int(self.now()), "livemode": False, **data}

    def _summaries(self, data: Thing, id_: str) -> Thing:
        meter = self._get(id_, "billing.meter")
        total = sum(
            int(one["payload"]["value"])
            for one in self.meter_events
            if one["event_name"] == meter["event_name"]
            and one["payload"]["stripe_customer_id"] == data["customer"]
            and int(data["start_time"]) <= int(one["timestamp"]) < int(data["end_time"])
        )
        summary = {
            "id": "mtrusg_1",
            "object": "billing.meter_event_summary",
            "aggregated_value": float(total),
        }
        return {"object": "list", "url": "", "has_more": False, "data": [summary]}

    def _product(self, data: Thing) -> Thing:
        if data["id"] in self.things:
            message = "Product already exists."
            raise Refusal(400, "invalid_request_error", message, code="resource_already_exists")
        made = self._new("product", "prod", name=data["name"])
        del self.things[made["id"]]
        self.things[data["id"]] = made | {"id": data["id"]}
        return self.things[data["id"]]

    def _subscription(self, data: Thing) -> Thing:
        made = self._new(
            "subscription",
            "sub",
            customer=data["customer"],
            status="active",
            metadata=data.get("metadata", {}),
        )
        for item in data["items"]:
            self._item({"subscription": made["id"], **item})
        return made

    def _subscriptions(self, data: Thing) -> Thing:
        found = [
            one
            for one in self.of_kind("subscription")
            if one["customer"] == data["customer"] and one["status"] != "canceled"
        ]
        return page(found, data, "/v1/subscriptions")

    def _end(self, _data: Thing, id_: str) -> Thing:
        found = self._get(id_, "subscription")
        found["status"] = "canceled"
        return found

    def _item(self, data: Thing) -> Thing:
        return self._new(
            "subscription_item",
            "si",
            subscription=data["subscription"],
            metadata=data.get("metadata", {}),
            name=self._get(data["price_data"]["product"], "product")["name"],
            unit_amount=int(data["price_data"]["unit_amount"]),
        )

    def _items(self, data: Thing) -> Thing:
        found = [
            one for one in self.of_kind("subscription_item") if one["subscription"] == data["subscription"]
        ]
        return page(found, data, "/v1/subscription_items")

    def _item_removed(self, _data: Thing, id_: str) -> Thing:
        found = self._get(id_, "subscription_item")
        if len(self._items({"subscription": found["subscription"], "limit": 100})["data"]) == 1:
            raise Refusal(400, "invalid_request_error", "A subscription must have at least one active plan")
        del self.things[id_]
        return {"id": id_, "object": "subscription_item", "deleted": True}

    def _show(self, _data: Thing, id_: str) -> Thing:
        return self._get(id_)

    def _new(self, kind: str, prefix: str, **fields: Any) -> Thing:
        self._count += 1
        made = {
            "id": f"{prefix}_{self._count:06d}",
            "object": kind,
            "created": int(self.now()),
            "livemode": False,
            **fields,
        }
        self.things[made["id"]] = made
        return made

    def _get(self, id_: str, kind: str | None = None) -> Thing:
        found = self.things.get(id_)
        if found is None or kind not in {None, found["object"]}:
            raise Refusal(404, "invalid_request_error", f"No such {kind}: '{id_}'", code="resource_missing")
        return found

    def _succeed(self, intent: Thing) -> None:
        intent.update(status="succeeded", last_payment_error=None)
        self._event("payment_intent.succeeded", intent)

    def _fail(self, intent: Thing, code: str, decline_code: str | None) -> None:
        error = {"type": "card_error", "code": code, "message": "Your card was declined."}
        intent.update(
            status="requires_payment_method", last_payment_error=error | {"decline_code": decline_code}
        )
        self._event("payment_intent.payment_failed", intent)

    def _event(self, type_: str, thing: Thing) -> None:
        self.events.append(
            self._new(
                "event",
                "evt",
                type=type_,
                api_version="2026-10-28.endive",
                data={"object": json.loads(json.dumps(thing))},
                request=None,
                pending_webhooks=1,
            )
        )


_ID = r"([A-Za-z]\w+)"
_ROUTES: list[tuple[str, str, Callable[..., Thing]]] = [
    ("POST", "/v1/customers", StripeFake._customer),
    ("POST", "/v1/checkout/sessions", StripeFake._session),
    ("GET", f"/v1/checkout/sessions/{_ID}", StripeFake._session_shown),
    ("POST", f"/v1/payment_methods/{_ID}/detach", StripeFake._detach),
    ("GET", f"/v1/payment_methods/{_ID}", StripeFake._show),
    ("POST", "/v1/payment_intents", StripeFake._intent),
    ("GET", "/v1/payment_intents", StripeFake._intents),
    ("GET", f"/v1/payment_intents/{_ID}", StripeFake._show),
    ("POST", f"/v1/payment_intents/{_ID}/cancel", StripeFake._cancel),
    ("POST", "/v1/products", StripeFake._product),
    ("POST", "/v1/subscriptions", StripeFake._subscription),
    ("GET", "/v1/subscriptions", StripeFake._subscriptions),
    ("DELETE", f"/v1/subscriptions/{_ID}", StripeFake._end),
    ("POST", "/v1/subscription_items", StripeFake._item),
    ("GET", "/v1/subscription_items", StripeFake._items),
    ("DELETE", f"/v1/subscription_items/{_ID}", StripeFake._item_removed),
    ("POST", "/v1/billing/meters", StripeFake._meter),
    ("GET", "/v1/billing/meters", StripeFake._meters),
    ("POST", "/v1/billing/meter_events", StripeFake._meter_event),
    ("GET", f"/v1/billing/meters/{_ID}/event_summaries", StripeFake._summaries),
    ("POST", "/v1/refunds", StripeFake._refund),
    ("GET", "/v1/refunds", StripeFake._refunds),
    ("GET", f"/v1/refunds/{_ID}", StripeFake._show),
]


def _rest(error: Thing) -> Thing:
    return {name: value for name, value in error.items() if name not in {"type", "message"}}
