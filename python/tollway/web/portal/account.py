"""The account: who is signed in, their organisation, and what invoices say of it."""

from __future__ import annotations

import re
from dataclasses import dataclass

from fastapi import Request
from starlette.responses import Response

from tollway.billing.models import PartyDetails, TaxId
from tollway.web.portal.context import Portal
from tollway.web.ui.access import Access
from tollway.web.ui.forms import Form
from tollway.web.ui.routing import Routes

__all__ = ["add_pages"]

TAX_KINDS = (
    ("", "None"),
    ("eu_vat", "EU VAT number"),
    ("gb_vat", "UK VAT number"),
    ("ch_vat", "Swiss VAT number"),
    ("no_vat", "Norwegian VAT number"),
    ("us_ein", "US employer id"),
    ("ca_gst_hst", "Canadian GST/HST number"),
    ("au_abn", "Australian business number"),
    ("in_gst", "Indian GST number"),
    ("jp_cn", "Japanese corporate number"),
    ("other", "Other"),
)
_LINES = 6


def add_pages(routes: Routes, portal: Portal) -> None:
    """Register the pages."""
    pages = _Account(portal)
    routes.get("/account", pages.page, access=Access.SIGNED_IN)
    routes.post("/account/name", pages.rename, access=Access.SIGNED_IN)
    routes.post("/account/details", pages.set_details, access=Access.SIGNED_IN)


@dataclass(frozen=True)
class _Account:
    portal: Portal

    def page(self, request: Request) -> Response:
        return self._page(request, self._name_form(request), self._details_form(request))

    def rename(self, request: Request) -> Response:
        form = Form(request)
        name = form.text("name", longest=100)
        if not form.ok:
            return self._page(request, form, self._details_form(request, fresh=True))
        self.portal.organisations.rename(self.portal.member(request).organisation, name)
        return self.portal.site.redirect("/account", flash="The name is changed.")

    def set_details(self, request: Request) -> Response:
        form = Form(request)
        details = _details(form)
        if not form.ok:
            return self._page(request, self._name_form(request, fresh=True), form)
        self.portal.organisations.set_details(self.portal.member(request).organisation, details)
        return self.portal.site.redirect("/account", flash="Invoices to come say so.")

    def _page(self, request: Request, name: Form, details: Form) -> Response:
        member = self.portal.member(request)
        return self.portal.site.render(
            request,
            "portal/account.html",
            status=max(name.status, details.status),
            member=member,
            name_form=name,
            form=details,
            has_customer=member.organisation.customer is not None,
            tax_kinds=TAX_KINDS,
        )

    def _name_form(self, request: Request, *, fresh: bool = False) -> Form:
        name = self.portal.member(request).organisation.name
        return Form(None if fresh else request, name=name)

    def _details_form(self, request: Request, *, fresh: bool = False) -> Form:
        found = self.portal.organisations.details(self.portal.member(request).organisation) or PartyDetails()
        tax_id = found.tax_ids[0] if found.tax_ids else TaxId("", "")
        values = {
            "legal_name": found.name or "",
            "address": "\n".join(found.address),
            "country": found.country or "",
            "tax_kind": tax_id.kind,
            "tax_value": tax_id.value,
        }
        return Form(None if fresh else request, **values)


def _details(form: Form) -> PartyDetails:
    legal_name = form.text("legal_name", longest=200)
    address = [line.strip() for line in form.text("address", longest=600, lines=True).split("\n")]
    lines = tuple(line for line in address if line)
    if len(lines) > _LINES or any(len(line) > 100 for line in lines):
        form.fail("address", f"At most {_LINES} lines of 100 characters.")
    country = form.text("country", longest=2).upper()
    if not re.fullmatch(r"[A-Z]{2}", country):
        form.fail("country", "Write the country's two letters, such as IE.")
    kind = form.choice("tax_kind", [value for value, _ in TAX_KINDS])
    value = re.sub(r"[\s.-]", "", form.text("tax_value", longest=40, required=bool(kind)))
    if kind and not re.fullmatch(r"[0-9A-Za-z/]{2,40}", value):
        form.fail("tax_value", "Write the number alone, such as IE1234567T.")
    tax_ids = (TaxId(kind, value.upper()),) if kind and form.ok else ()
    return PartyDetails(name=legal_name, address=lines, country=country, tax_ids=tax_ids)
