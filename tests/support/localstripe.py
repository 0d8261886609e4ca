"""A shim before localstripe: it translates today's API to what localstripe knows, and adds what it lacks.

localstripe keeps the state: customers, cards, setup intents, payment intents, charges, refunds; it decides
what a card number does. The shim adds idempotency keys, Checkout's page around a setup intent, the checks of
owner and refund, the intent within an error, and connections that break.
"""

from __future__ import annotations

import http.client
import json
import re
import time
from collections.abc import Callable
from typing import Any, ClassVar
from urllib.parse import urlencode, urlsplit

from tests.support.stripe_server import Refusal, StripeServer, Thing, page
from tollway.billing.payments.results import ChargeStatus

__all__ = ["LocalStripeShim"]

_PATIENCE = 30.0


class LocalStripeShim(StripeServer):
    """Stripe's API of today over a localstripe at `upstream`."""

    NUMBERS: ClassVar[dict[str, str]] = {
        "declined": "4000000000000341",
        "needs_action": "4000002500003155",
    }
    """Every other card has 4242424242424242."""
    IBAN = "DE62370400440532013001"
    """The one debit that localstripe decides later: it fails."""

    def __init__(self, upstream: str) -> None:
        super().__init__()
        self._upstream = urlsplit(upstream).netloc
        self._sessions: dict[str, Thing] = {}
        self._behaviours: dict[str, str] = {}
        self._unattended: set[str] = set()

    # In place of the customer

    def choose(self, session: str, behaviour: str) -> None:
        """Save a card, or for `settles_later` a bank account, on a Checkout page."""
        found = self._sessions[session]
        if behaviour == "settles_later":
            fields: Thing = {"type": "sepa_debit", "sepa_debit": {"iban": self.IBAN}}
        else:
            number = self.NUMBERS.get(behaviour, "4242424242424242")
            card = {"number": number, "exp_month": 12, "exp_year": 2034, "cvc": "123"}
            fields = {"type": "card", "card": card}
        method = self._ask("POST", "/v1/payment_methods", fields)
        self._behaviours[method["id"]] = behaviour
        self._ask("POST", f"/v1/payment_methods/{method['id']}/attach", {"customer": found["customer"]})
        intent = found["setup_intent"]
        self._ask("POST", f"/v1/setup_intents/{intent}/confirm", {"payment_method": method["id"]})
        found["status"] = "complete"

    def confirm(self, intent: str, *, approve: bool) -> None:
        """Confirm a payment on the bank's page, or refuse it."""
        found = self._ask("GET", f"/v1/payment_intents/{intent}")
        self._ask(
            "POST",
            f"/v1/payment_intents/{intent}/_authenticate",
            {"client_secret": found["client_secret"], "success": str(approve).lower()},
        )

    def settle(self, intent: str) -> ChargeStatus:
        """Wait until localstripe has decided a bank debit, which it does by itself."""
        give_up = time.monotonic() + _PATIENCE
        while self._ask("GET", f"/v1/payment_intents/{intent}")["status"] == "processing":
            assert time.monotonic() < give_up
            time.sleep(0.05)
        return ChargeStatus.DECLINED

    def send_webhooks_to(self, url: str) -> None:
        """Have localstripe send its signed events to a URL."""
        self._ask("POST", "/_config/webhooks/tollway", {"url": url, "secret": self.WEBHOOK_SECRET})

    # Requests

    def behaviour(self, data: Thing) -> str | None:
        """See `StripeServer.behaviour`."""
        method = data.get("payment_method")
        if method is None and "payment_intent" in data:
            method = self._ask("GET", f"/v1/payment_intents/{data['payment_intent']}").get("payment_method")
        return self._behaviours.get(method or "")

    def route(self, method: str, path: str, data: Thing) -> Thing:
        """See `StripeServer.route`."""
        for verb, pattern, action in _ROUTES:
            match = re.fullmatch(pattern, path)
            if verb == method and match:
                answer: Thing = action(self, data, *match.groups())
                return answer
        return self._ask(method, path, data)

    def _session(self, data: Thing) -> Thing:
        intent = self._ask("POST", "/v1/setup_intents", {"customer": data["customer"]})
        id_ = f"cs_test_{intent['id']}"
        self._sessions[id_] = {
            "id": id_,
            "object": "checkout.session",
            "customer": data["customer"],
            "status": "open",
            "setup_intent": intent["id"],
            "url": f"https://checkout.stripe.test/c/pay/{id_}",
        }
        return self._sessions[id_]

    def _session_shown(self, _data: Thing, id_: str) -> Thing:
        found = dict(self._sessions[id_])
        intent = self._ask("GET", f"/v1/setup_intents/{found['setup_intent']}")
        if intent["payment_method"] is not None:
            intent["payment_method"] = self._method(intent["payment_method"])
        return found | {"setup_intent": intent}

    def _method(self, id_: str) -> Thing:
        return {"card": None} | self._ask("GET", f"/v1/payment_methods/{id_}")

    def _intent(self, data: Thing) -> Thing:
        if self._method(data["payment_method"])["customer"] != data["customer"]:
            raise Refusal(400, "invalid_request_error", "The PaymentMethod doesn't belong to the Customer")
        known = ("amount", "currency", "customer", "payment_method", "metadata", "confirm", "off_session")
        try:
            made = self._ask("POST", "/v1/payment_intents", {k: data[k] for k in known if k in data})
        except Refusal as refusal:
            made = self._newest(data)
            refusal.body["error"].update(payment_intent=self._shown(made))
            raise
        if made["status"] == "requires_action" and "off_session" in data:
            # localstripe waits for somebody who isn't there.
            self._unattended.add(made["id"])
            raise Refusal(
                402,
                "card_error",
                "Your card was declined. This transaction requires authentication.",
                code="authentication_required",
                decline_code="authentication_required",
                payment_intent=self._shown(made),
            )
        return self._shown(made)

    def _intents(self, data: Thing) -> Thing:
        since = int(data["created"]["gte"])
        found = [one for one in self._all_intents(data["customer"]) if one["created"] >= since]
        return page([self._shown(one) for one in found], data, "/v1/payment_intents")

    def _all_intents(self, customer: str) -> list[Thing]:
        listed = self._ask("GET", "/v1/payment_intents", {"limit": 100})["data"]
        return sorted(
            (one for one in listed if one["customer"] == customer), key=lambda one: str(one["created"])
        )

    def _newest(self, data: Thing) -> Thing:
        key = data["metadata"]["tollway_key"]
        return next(
            one for one in self._all_intents(data["customer"]) if one["metadata"].get("tollway_key") == key
        )

    def _intent_shown(self, _data: Thing, id_: str) -> Thing:
        return self._shown(self._ask("GET", f"/v1/payment_intents/{id_}"))

    def _cancel(self, _data: Thing, id_: str) -> Thing:
        return self._shown(self._ask("POST", f"/v1/payment_intents/{id_}/cancel"))

    def _shown(self, intent: Thing) -> Thing:
        """Return an intent as today's API shows it."""
        error = intent["last_payment_error"]
        shown = intent | {"last_payment_error": error and {"decline_code": None} | error}
        if intent["status"] == "requires_action" and intent["id"] in self._unattended:
            unattended = {"code": "authentication_required", "decline_code": None, "message": "declined"}
            return shown | {
                "status": "requires_payment_method",
                "next_action": None,
                "last_payment_error": unattended,
            }
        if intent["next_action"] is not None:
            url = f"https://hooks.stripe.test/3ds/{intent['id']}"
            shown["next_action"] = {"type": "redirect_to_url", "redirect_to_url": {"url": url}}
        return shown

    def _refund(self, data: Thing) -> Thing:
        intent = self._ask("GET", f"/v1/payment_intents/{data['payment_intent']}")
        given = sum(one["amount"] for one in self._all_refunds(data["payment_intent"]))
        if given + int(data["amount"]) > intent["amount"]:
            raise Refusal(400, "invalid_request_error", "Refund amount is greater than unrefunded amount")
        return {"failure_reason": None} | self._ask("POST", "/v1/refunds", data)

    def _refunds(self, data: Thing) -> Thing:
        return page(self._all_refunds(data["payment_intent"]), data, "/v1/refunds")

    def _all_refunds(self, intent: str) -> list[Thing]:
        listed = self._ask("GET", "/v1/refunds", {"payment_intent": intent, "limit": 100})["data"]
        return [{"failure_reason": None} | one for one in reversed(listed)]

    def _refund_shown(self, _data: Thing, id_: str) -> Thing:
        return {"failure_reason": None} | self._ask("GET", f"/v1/refunds/{id_}")

    # localstripe itself

    def _ask(self, method: str, path: str, data: Thing | None = None) -> Thing:
        sent = urlencode(list(_flat(data or {})))
        target = f"{path}?{sent}" if method == "GET" and sent else path
        connection = http.client.HTTPConnection(self._upstream, timeout=_PATIENCE)
        headers = {
            "Authorization": f"Bearer {self.KEY}",
            "Content-Type": "application/x-www-form-urlencoded",
        }
        try:
            connection.request(method, target, None if method == "GET" else sent, headers)
            answer = connection.getresponse()
            content = answer.read()
        finally:
            connection.close()
        found: Thing = json.loads(content) if content else {}
        if answer.status >= 400:
            error = found["error"]
            message = error.pop("message", "refused")
            raise Refusal(answer.status, error.pop("type", "invalid_request_error"), message, **error)
        return found


_ID = r"([A-Za-z]\w+)"
_ROUTES: list[tuple[str, str, Callable[..., Thing]]] = [
    ("POST", "/v1/checkout/sessions", LocalStripeShim._session),
    ("GET", f"/v1/checkout/sessions/{_ID}", LocalStripeShim._session_shown),
    ("POST", "/v1/payment_intents", LocalStripeShim._intent),
    ("GET", "/v1/payment_intents", LocalStripeShim._intents),
    ("GET", f"/v1/payment_intents/{_ID}", LocalStripeShim._intent_shown),
    ("POST", f"/v1/payment_intents/{_ID}/cancel", LocalStripeShim._cancel),
    ("POST", "/v1/refunds", LocalStripeShim._refund),
    ("GET", "/v1/refunds", LocalStripeShim._refunds),
    ("GET", f"/v1/refunds/{_ID}", LocalStripeShim._refund_shown),
]


def _flat(data: Thing, prefix: str = "") -> Any:
    """Write `{"a": {"b": 1}}` as `a[b]=1`."""
    for name, value in data.items():
        key = f"{prefix}[{name}]" if prefix else name
        if isinstance(value, dict):
            yield from _flat(value, key)
        else:
            yield key, value
