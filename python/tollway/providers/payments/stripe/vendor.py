"""Stripe: cards saved through Checkout, Tollway's invoices collected by PaymentIntents.

Stripe's API of version 2026-10-28.endive; see https://docs.stripe.com/api/payment_intents,
…/checkout/sessions, …/refunds and https://docs.stripe.com/webhooks.

Every request that makes something has an idempotency key made of our own identities. Stripe keeps keys for
24 hours at least, so what may have been lost is looked for by metadata before it is sent again: in the list
of a customer's intents, which is consistent, and not by `search`, which is not.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import timedelta
from ipaddress import ip_address
from typing import Any
from urllib.parse import urlsplit
from uuid import UUID

import stripe

from tollway.billing.payments.results import (
    Capability,
    ChargeRequest,
    ChargeResult,
    ChargeStatus,
    CustomerRequest,
    ForgedNotice,
    MethodDetails,
    Notice,
    NoticeKind,
    PermanentFault,
    RefundRequest,
    RefundResult,
    RefundStatus,
    SetupRequest,
    SetupResult,
    SetupStarted,
    SetupStatus,
    SubscriptionPicture,
    UnknownOutcome,
    UsageReport,
)
from tollway.kernel.errors import InvalidInput
from tollway.providers.payments.base import Options, Vendor
from tollway.providers.payments.stripe.amounts import from_stripe, to_stripe
from tollway.providers.payments.stripe.calls import asked, moment
from tollway.providers.payments.stripe.meters import Meters
from tollway.providers.payments.stripe.mirror import Mirror

__all__ = ["API_VERSION", "Stripe"]

API_VERSION = "2026-10-28.endive"

# What names our things there.
CUSTOMER = "tollway_customer"
INVOICE = "tollway_invoice"
KEY = "tollway_key"
REFUND = "tollway_refund"
SETUP = "tollway_setup"

_SKEW = timedelta(hours=1)
"""How far Stripe's clock and ours may be apart when something is looked for by time."""
_KINDS = {
    "payment_intent": NoticeKind.CHARGE,
    "refund": NoticeKind.REFUND,
    "checkout.session": NoticeKind.SETUP,
}
_REFUND_STATUS = {
    "succeeded": RefundStatus.SUCCEEDED,
    "failed": RefundStatus.FAILED,
    "canceled": RefundStatus.FAILED,
}
_CODES = {"payment_intent_authentication_failure": "authentication_failed"}


class Stripe(Vendor):
    """`tollway.billing.payments.ports.PaymentProvider` over Stripe's API."""

    NAME = "stripe"
    CAPABILITIES = (
        Capability.HOSTED_SETUP
        | Capability.ACTION
        | Capability.PARTIAL_REFUND
        | Capability.NOTICES
        | Capability.USAGE_EXPORT
        | Capability.ITEM_MIRROR
    )

    def __init__(self, options: Options) -> None:
        super().__init__(options)
        key = options.values.get("secret_key")
        if not key:
            raise InvalidInput(
                "TOLLWAY_STRIPE_SECRET_KEY",
                "Stripe needs one",
                "take it from the dashboard, under Developers, API keys; sk_test_… takes no money",
            )
        self._live = not key.startswith(("sk_test_", "rk_test_"))
        self._webhook_secret = options.values.get("webhook_secret")
        base = options.values.get("api_base")
        # What is sent besides the request is nobody's business.
        stripe.enable_telemetry = False
        self.client = stripe.StripeClient(
            key,
            stripe_version=API_VERSION,
            base_addresses=None if base is None else {"api": _checked(base), "meter_events": _checked(base)},
            # Whether to send again is decided above, where it is known what was asked.
            max_network_retries=0,
            http_client=stripe.RequestsClient(timeout=options.timeout.total_seconds()),
        ).v1

        self._meters = Meters(self.client)
        self._mirror = Mirror(self.client)

    @property
    def moves_real_money(self) -> bool:
        """Unless the key is one for testing."""
        return self._live

    def create_customer(self, request: CustomerRequest) -> str:
        """See `PaymentProvider.create_customer`."""
        made = asked(
            lambda: self.client.customers.create(
                {
                    "name": request.name,
                    "metadata": {CUSTOMER: str(request.customer), "tollway_mode": request.mode.value},
                },
                {"idempotency_key": f"tollway-customer-{request.customer}"},
            )
        )
        return made.id

    def begin_setup(self, request: SetupRequest) -> SetupStarted:
        """See `PaymentProvider.begin_setup`: Checkout's page, in the mode that charges nothing."""
        session = asked(
            lambda: self.client.checkout.sessions.create(
                {
                    "mode": "setup",
                    "customer": request.account,
                    # Which methods are offered is chosen in Stripe's dashboard.
                    "currency": request.currency.lower(),
                    "success_url": request.return_url,
                    "cancel_url": request.cancel_url,
                    "client_reference_id": str(request.setup),
                    "metadata": {SETUP: str(request.setup)},
                },
                {"idempotency_key": f"tollway-setup-{request.setup}"},
            )
        )
        if session.url is None:
            raise PermanentFault("Stripe made a Checkout session without a page", "no_page")
        return SetupStarted(session.id, session.url)

    def setup_result(self, reference: str) -> SetupResult:
        """See `PaymentProvider.setup_result`."""
        session = asked(
            lambda: self.client.checkout.sessions.retrieve(
                reference, {"expand": ["setup_intent.payment_method"]}
            )
        )
        if session.status == "open":
            return SetupResult(SetupStatus.OPEN)
        intent = session.setup_intent
        method = None if intent is None or isinstance(intent, str) else intent.payment_method
        if session.status != "complete" or method is None or isinstance(method, str):
            return SetupResult(SetupStatus.FAILED, message="no card was saved")
        return SetupResult(SetupStatus.COMPLETE, _details(method))

    def remove_method(self, reference: str) -> None:
        """See `PaymentProvider.remove_method`."""
        try:
            asked(lambda: self.client.payment_methods.detach(reference))
        except PermanentFault as fault:
            # Detaching twice is refused; what counts is that no customer has it.
            if fault.code not in {"resource_missing", "payment_method_unexpected_state"}:
                method = asked(lambda: self.client.payment_methods.retrieve(reference))
                if method.customer is not None:
                    raise

    def charge(self, request: ChargeRequest) -> ChargeResult:
        """See `PaymentProvider.charge`: created and confirmed in one request, so there is one key."""
        params: stripe.params.PaymentIntentCreateParams = {
            "amount": to_stripe(request.amount, request.currency),
            "currency": request.currency.lower(),
            "customer": request.account,
            "payment_method": request.method,
            # Nobody is there to be sent elsewhere, unless the customer is.
            "automatic_payment_methods": {
                "enabled": True,
                "allow_redirects": "always" if request.present else "never",
            },
            "confirm": True,
            "description": f"Invoice {request.invoice_number}",
            "metadata": {
                INVOICE: str(request.invoice),
                "tollway_number": request.invoice_number,
                KEY: request.key,
            },
        }
        if request.present:
            params["return_url"] = request.return_url
        else:
            params["off_session"] = True
        try:
            intent = asked(
                lambda: self.client.payment_intents.create(params, {"idempotency_key": request.key}),
                declined=True,
            )
        except stripe.CardError as error:
            return self._declined(error)
        return _charge(intent)

    def find_charge(self, request: ChargeRequest) -> ChargeResult | None:
        """See `PaymentProvider.find_charge`."""
        since = moment(request.started_at - _SKEW)
        return asked(lambda: self._listed(request, since))

    def charge_state(self, reference: str) -> ChargeResult:
        """See `PaymentProvider.charge_state`."""
        return _charge(asked(lambda: self.client.payment_intents.retrieve(reference)))

    def cancel_charge(self, reference: str) -> ChargeResult:
        """See `PaymentProvider.cancel_charge`."""
        try:
            return _charge(asked(lambda: self.client.payment_intents.cancel(reference)))
        except PermanentFault:
            # It is decided already; how, the intent says.
            return self.charge_state(reference)

    def refund(self, request: RefundRequest) -> RefundResult:
        """See `PaymentProvider.refund`."""
        made = asked(
            lambda: self.client.refunds.create(
                {
                    "payment_intent": request.charge,
                    "amount": to_stripe(request.amount, request.currency),
                    "metadata": {REFUND: str(request.refund), KEY: request.key},
                },
                {"idempotency_key": request.key},
            )
        )
        return _refund(made)

    def find_refund(self, request: RefundRequest) -> RefundResult | None:
        """See `PaymentProvider.find_refund`."""

        def look() -> RefundResult | None:
            listed = self.client.refunds.list({"payment_intent": request.charge, "limit": 100})
            found = next((one for one in listed.auto_paging_iter() if _mark(one, KEY) == request.key), None)
            return None if found is None else _refund(found)

        return asked(look)

    def refund_state(self, reference: str) -> RefundResult:
        """See `PaymentProvider.refund_state`."""
        return _refund(asked(lambda: self.client.refunds.retrieve(reference)))

    def report_usage(self, report: UsageReport) -> None:
        """See `PaymentProvider.report_usage`."""
        self._meters.report(report)

    def usage_total(self, report: UsageReport) -> int:
        """See `PaymentProvider.usage_total`."""
        return self._meters.total(report)

    def show_subscription(self, picture: SubscriptionPicture) -> None:
        """See `PaymentProvider.show_subscription`."""
        self._mirror.show(picture)

    def read_notice(self, body: bytes, headers: Mapping[str, str]) -> Notice:
        """See `PaymentProvider.read_notice`: a signature over the raw body, at most five minutes old."""
        if not self._webhook_secret:
            raise ForgedNotice("TOLLWAY_STRIPE_WEBHOOK_SECRET is not set: no webhook can be believed")
        signature = next((value for name, value in headers.items() if name.lower() == "stripe-signature"), "")
        try:
            event = stripe.Webhook.construct_event(body, signature, self._webhook_secret).to_dict()
            thing = event["data"]["object"]
            return Notice(
                id=str(event["id"]),
                type=str(event["type"]),
                kind=_KINDS.get(str(thing.get("object")), NoticeKind.OTHER),
                reference=None if thing.get("id") is None else str(thing["id"]),
                live=bool(event["livemode"]),
            )
        except stripe.SignatureVerificationError as error:
            raise ForgedNotice(error.user_message or "the signature is wrong") from None
        except (ValueError, KeyError, AttributeError, TypeError):
            raise ForgedNotice("the body is no event of Stripe's") from None

    def _listed(self, request: ChargeRequest, since: int) -> ChargeResult | None:
        listed = self.client.payment_intents.list(
            {"customer": request.account, "created": {"gte": since}, "limit": 100}
        )
        found = next((one for one in listed.auto_paging_iter() if _mark(one, KEY) == request.key), None)
        return None if found is None else _charge(found)

    def _declined(self, error: stripe.CardError) -> ChargeResult:
        body = error.json_body if isinstance(error.json_body, dict) else {}
        intent = body.get("error", {}).get("payment_intent")
        if not isinstance(intent, dict) or "id" not in intent:
            raise PermanentFault(error.user_message or "declined", error.code or "card_declined") from None
        said = body["error"]
        return ChargeResult(
            status=ChargeStatus.DECLINED,
            reference=str(intent["id"]),
            code=_code(said.get("code"), said.get("decline_code")),
            message=error.user_message,
        )


def _checked(base: str) -> str:
    """Refuse to send the key in clear text to another machine."""
    parts = urlsplit(base)
    try:
        local = parts.hostname == "localhost" or ip_address(parts.hostname or "").is_loopback
    except ValueError:
        local = False
    if parts.scheme != "https" and not (parts.scheme == "http" and local):
        raise InvalidInput(
            "TOLLWAY_STRIPE_API_BASE", f"{base!r} is not https", "write https://api.stripe.com"
        )
    return base.rstrip("/")


def _mark(thing: Any, name: str) -> str | None:
    metadata = thing.metadata
    return None if metadata is None else metadata.to_dict().get(name)


def _charge(intent: stripe.PaymentIntent) -> ChargeResult:
    error = intent.last_payment_error
    action = None if intent.next_action is None else intent.next_action.redirect_to_url
    match intent.status:
        case "succeeded":
            status = ChargeStatus.SUCCEEDED
        case "processing":
            status = ChargeStatus.PROCESSING
        case "canceled":
            status = ChargeStatus.CANCELLED
        case "requires_action":
            status = ChargeStatus.REQUIRES_ACTION
        case "requires_payment_method":
            status = ChargeStatus.DECLINED
        case _:
            # We confirm with the creation and never capture apart: somebody else has a hand in it.
            raise UnknownOutcome(f"payment intent {intent.id} is {intent.status}", "unexpected_state")
    refused = status is ChargeStatus.DECLINED
    return ChargeResult(
        status=status,
        reference=intent.id,
        code=_code(error.code, error.decline_code) if refused and error is not None else None,
        message=error.message if refused and error is not None else None,
        action_url=action.url if action is not None and status is ChargeStatus.REQUIRES_ACTION else None,
        amount=from_stripe(intent.amount, intent.currency.upper()),
        currency=intent.currency.upper(),
    )


def _code(code: str | None, decline_code: str | None) -> str:
    """Return one stable word: the bank's reason where there is one beyond a plain refusal."""
    if code == "card_declined" and decline_code not in {None, "generic_decline"}:
        return str(decline_code)
    return _CODES.get(code or "", code or "card_declined")


def _refund(refund: stripe.Refund) -> RefundResult:
    ours = _mark(refund, REFUND)
    charge = refund.payment_intent
    return RefundResult(
        status=_REFUND_STATUS.get(refund.status or "", RefundStatus.PENDING),
        reference=refund.id,
        charge=charge if isinstance(charge, str) else "" if charge is None else charge.id,
        amount=from_stripe(refund.amount, refund.currency.upper()),
        currency=refund.currency.upper(),
        refund=_refund_id(ours),
        message=refund.failure_reason,
    )


def _refund_id(mark: str | None) -> UUID | None:
    """Return which of our refunds it is; whoever has the dashboard may have written anything there."""
    try:
        return None if mark is None else UUID(mark)
    except ValueError:
        return None


def _details(method: stripe.PaymentMethod) -> MethodDetails:
    card = method.card
    return MethodDetails(
        reference=method.id,
        kind=method.type,
        brand="" if card is None else card.brand.replace("_", " ").title(),
        last4="" if card is None or card.last4 is None else card.last4,
        expires_month=None if card is None else card.exp_month,
        expires_year=None if card is None else card.exp_year,
    )
