"""Giving money back: asked for on a page of its own, and made once however often it is sent."""

from __future__ import annotations

from decimal import Decimal
from uuid import UUID

from fastapi import Request
from starlette.responses import Response

from tollway.billing.payments.models import Payment
from tollway.kernel.currency import currency
from tollway.kernel.errors import Conflict, InvalidInput
from tollway.kernel.exact import parse_decimal
from tollway.kernel.ids import new_id
from tollway.kernel.money import Money
from tollway.web.console.context import Console
from tollway.web.ui.access import Access
from tollway.web.ui.forms import Form
from tollway.web.ui.routing import Routes

__all__ = ["add_pages"]


def add_pages(routes: Routes, console: Console) -> None:
    """Register the pages."""
    pages = _Pages(console)
    routes.get("/payments/{payment}/refund", pages.ask, access=Access.SIGNED_IN)
    routes.post("/payments/{payment}/refund", pages.refund, access=Access.SIGNED_IN)


class _Pages:
    def __init__(self, console: Console) -> None:
        self._invoices = console.invoices
        self._site = console.site

    def ask(self, request: Request, payment: UUID) -> Response:
        found = self._invoices.payment(payment)
        left = Money(found.refundable, currency(found.currency))
        # The refund's id is made with the form: sent twice, it is one refund.
        return self._page(request, found, Form(request, amount=left.text, refund=str(new_id())))

    def refund(self, request: Request, payment: UUID) -> Response:
        found = self._invoices.payment(payment)
        form = Form(request)
        amount = _amount(form, found)
        reason = form.text("reason", longest=200, required=False)
        refund = _identity(form)
        if form.ok:
            try:
                self._invoices.refund(payment, amount, reason, refund)
            except InvalidInput as error:
                form.fault(error, "amount")
            except Conflict as error:
                form.fail("amount", str(error))
            else:
                return self._site.redirect(f"/invoices/{found.invoice}", flash="The refund is on its way.")
        return self._page(request, found, form)

    def _page(self, request: Request, payment: Payment, form: Form) -> Response:
        return self._site.render(
            request, "console/refund.html", status=form.status, payment=payment, form=form
        )


def _identity(form: Form) -> UUID:
    try:
        return UUID(form.value("refund"))
    except ValueError:
        form.fail("amount", "Open this page again and send it once more.")
        return new_id()


def _amount(form: Form, payment: Payment) -> int:
    """Return whole minor units; an amount that has none such is refused, not rounded."""
    code = currency(payment.currency)
    text = form.text("amount", longest=40).replace(",", "")
    if not form.ok:
        return 0
    try:
        amount = parse_decimal(text, "amount")
    except InvalidInput as error:
        form.fault(error)
        return 0
    minor = amount * Decimal(10) ** code.exponent
    if minor != minor.to_integral_value():
        form.fail("amount", f"{code.code} has {code.exponent} decimals.")
        return 0
    return int(minor)
