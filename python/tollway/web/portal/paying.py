"""Cards and payments: saving one, paying an open invoice, what was paid; and the sandbox's own pages."""

from __future__ import annotations

from uuid import UUID

from fastapi import Request
from starlette.exceptions import HTTPException
from starlette.responses import Response

from tollway.billing.payments.models import Payment, PaymentStatus
from tollway.billing.payments.results import ProviderError
from tollway.billing.payments.wording import reason_for_customer
from tollway.kernel.currency import currency
from tollway.kernel.errors import NotFound
from tollway.kernel.money import Money
from tollway.web.portal.account_format import install
from tollway.web.portal.context import Portal
from tollway.web.ui.access import Access
from tollway.web.ui.routing import Routes

__all__ = ["add_pages"]

_AWAY = "The payment provider did not answer. Nothing was charged; try again in a minute."

_STATUS_WORDS = {
    PaymentStatus.SUCCEEDED: ("Paid", "good"),
    PaymentStatus.PARTIALLY_REFUNDED: ("Partly given back", ""),
    PaymentStatus.REFUNDED: ("Given back", ""),
    PaymentStatus.DECLINED: ("Declined", "bad"),
    PaymentStatus.CANCELLED: ("Given up", ""),
    PaymentStatus.REQUIRES_ACTION: ("Waits for you", "warn"),
}


def add_pages(routes: Routes, portal: Portal) -> None:
    """Register the pages."""
    install(portal)
    pages = _Pages(portal)
    routes.get("/billing/payments", pages.history, access=Access.SIGNED_IN)
    routes.post("/billing/methods", pages.save_card, access=Access.SIGNED_IN)
    routes.post("/billing/methods/{method}/default", pages.make_default, access=Access.SIGNED_IN)
    routes.post("/billing/methods/{method}/remove", pages.remove, access=Access.SIGNED_IN)
    routes.post("/billing/invoices/{invoice}/pay", pages.pay, access=Access.SIGNED_IN)
    routes.get("/pay/return", pages.back, access=Access.SIGNED_IN)
    routes.get("/pay/sandbox", pages.cards, access=Access.SIGNED_IN)
    routes.post("/pay/sandbox", pages.choose, access=Access.SIGNED_IN)
    routes.get("/pay/sandbox/action", pages.asked, access=Access.SIGNED_IN)
    routes.post("/pay/sandbox/action", pages.answer, access=Access.SIGNED_IN)


class _Pages:
    def __init__(self, portal: Portal) -> None:
        self._portal = portal
        self._site = portal.site
        self._paying = portal.paying

    def history(self, request: Request) -> Response:
        customer = self._portal.member(request).organisation.customer
        # Without a plan there is no customer, and the page says that nothing was paid.
        found = [] if customer is None else self._paying.payments_of(customer)
        return self._site.render(request, "account/payments.html", payments=[_row(one) for one in found])

    def save_card(self, request: Request) -> Response:
        try:
            page = self._paying.begin_setup(self._customer(request), self._origin(request))
        except ProviderError:
            return self._site.redirect("/billing", flash=_AWAY, bad=True)
        return self._lead(request, page.redirect_url)

    def make_default(self, request: Request, method: UUID) -> Response:
        self._paying.make_default(self._customer(request), method)
        return self._site.redirect("/billing#cards", flash="Invoices are collected from this card now.")

    def remove(self, request: Request, method: UUID) -> Response:
        try:
            self._paying.remove_method(self._customer(request), method)
        except ProviderError:
            return self._site.redirect("/billing", flash=_AWAY, bad=True)
        return self._site.redirect("/billing#cards", flash="The card is forgotten.")

    def pay(self, request: Request, invoice: UUID) -> Response:
        customer, origin = self._customer(request), self._origin(request)
        if not self._paying.methods(customer):
            # Looked up first: an invoice that is not theirs is not there, card or none.
            self._portal.billing.invoice(self._portal.member(request).organisation, invoice)
            return self._site.redirect("/billing#cards", flash="Save a card first, then pay.", bad=True)
        back = f"{origin}/billing/invoices/{invoice}"
        try:
            payment = self._paying.pay(customer, invoice, origin=origin, return_url=back)
        except ProviderError:
            return self._site.redirect(f"/billing/invoices/{invoice}", flash=_AWAY, bad=True)
        last = payment.last
        if payment.status is PaymentStatus.REQUIRES_ACTION and last is not None and last.action_url:
            return self._lead(request, last.action_url)
        problem = reason_for_customer(payment)
        said = "Paid. Thank you." if payment.status.paid else problem
        return self._site.redirect(
            f"/billing/invoices/{invoice}", flash=said, bad=payment.status is PaymentStatus.DECLINED
        )

    def back(self, request: Request, setup: UUID) -> Response:
        """Answer a browser that comes back from the provider's page."""
        try:
            saved = self._paying.finish_setup(self._customer(request), setup)
        except ProviderError:
            return self._site.redirect("/billing#cards", flash=_AWAY, bad=True)
        if saved is None:
            return self._site.redirect("/billing#cards", flash="No card was saved.")
        return self._site.redirect("/billing#cards", flash=f"{saved.label} is saved.")

    def cards(self, request: Request, setup: UUID) -> Response:
        if not self._paying.sandbox_cards:
            raise HTTPException(404)
        # Not there where it is another's, and over where a card was chosen already.
        if self._paying.finish_setup(self._customer(request), setup) is not None:
            return self._site.redirect("/billing#cards")
        return self._site.render(
            request, "account/sandbox_cards.html", cards=self._paying.sandbox_cards, setup=setup
        )

    def choose(self, request: Request) -> Response:
        setup = _uuid(_field(request, "setup"))
        try:
            saved = self._paying.sandbox_choose(self._customer(request), setup, _field(request, "card"))
        except ProviderError:
            return self._site.redirect("/billing#cards", flash="No card was chosen.", bad=True)
        return self._site.redirect("/billing#cards", flash=f"{saved.label} is saved.")

    def asked(self, request: Request, charge: str) -> Response:
        found = self._paying.sandbox_charge(self._customer(request), charge)
        return self._site.render(
            request, "account/sandbox_action.html", payment=_row(found.payment), charge=charge
        )

    def answer(self, request: Request) -> Response:
        approve = _field(request, "answer") == "approve"
        customer = self._customer(request)
        found = self._paying.sandbox_confirm(customer, _field(request, "charge"), approve=approve)
        said = "Paid. Thank you." if found.payment.status.paid else reason_for_customer(found.payment)
        return self._site.redirect(
            f"/billing/invoices/{found.payment.invoice}", flash=said, bad=not found.payment.status.paid
        )

    def _customer(self, request: Request) -> UUID:
        customer = self._portal.member(request).organisation.customer
        if customer is None:
            raise NotFound("customer", "")
        return customer

    def _origin(self, request: Request) -> str:
        return self._site.public_url or f"{request.url.scheme}://{request.url.netloc}"

    def _lead(self, request: Request, url: str) -> Response:
        """Lead the reader to the provider: at once to a page of ours, by a link to another's.

        Our forms may only end on our own pages (`form-action 'self'`), redirects included.
        """
        origin = self._origin(request)
        if url.startswith(f"{origin}/"):
            return self._site.redirect(url.removeprefix(origin))
        return self._site.render(request, "account/leave.html", url=url)


def _row(payment: Payment) -> dict[str, object]:
    unit = currency(payment.currency)
    word, kind = _STATUS_WORDS.get(payment.status, ("On its way", "brand"))
    return {
        "invoice": payment.invoice,
        "number": payment.invoice_number,
        "at": payment.last.started_at if payment.last is not None else payment.created_at,
        "amount": Money(payment.amount, unit),
        "credit": Money(payment.credit_applied, unit),
        "refunded": Money(payment.refunded, unit),
        "word": word,
        "kind": kind,
        "why": reason_for_customer(payment),
    }


def _field(request: Request, name: str) -> str:
    value = None if request.state.form is None else request.state.form.get(name)
    return value if isinstance(value, str) else ""


def _uuid(text: str) -> UUID:
    try:
        return UUID(text)
    except ValueError:
        raise HTTPException(404) from None
