"""Billing: the next invoice, the plan, add-ons, cards, invoices."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal
from uuid import UUID

from fastapi import Request
from starlette.responses import Response

from tollway.billing.wording import span
from tollway.catalog.prices import Flat
from tollway.catalog.versions import AddOnVersion
from tollway.web.invoice.page import figure, invoice_page
from tollway.web.invoice.pdf import invoice_pdf
from tollway.web.portal.account_format import install
from tollway.web.portal.content.model import PortalFile
from tollway.web.portal.context import Portal
from tollway.web.portal.offer.table import plan_table
from tollway.web.portal.offer.titles import named, unit_of
from tollway.web.portal.offer.words import amount
from tollway.web.portal.ports.billing import BillingView
from tollway.web.ui.access import Access
from tollway.web.ui.routing import Routes

__all__ = ["add_pages"]

_INVOICES_SHOWN = 6


def add_pages(routes: Routes, portal: Portal) -> None:
    """Register the pages."""
    install(portal)
    pages = _Pages(portal)
    routes.get("/billing", pages.overview, access=Access.SIGNED_IN)
    routes.get("/billing/invoices", pages.invoices, access=Access.SIGNED_IN)
    routes.get("/billing/invoices/{invoice}", pages.invoice, access=Access.SIGNED_IN)
    routes.get("/billing/invoices/{invoice}/print", pages.printed, access=Access.SIGNED_IN)
    routes.get("/billing/invoices/{invoice}/pdf", pages.pdf, access=Access.SIGNED_IN)
    routes.nav("Billing", "/billing", order=40)


@dataclass(frozen=True, slots=True)
class AddOnRow:
    """An add-on for sale, or one that is held."""

    name: str
    title: str
    brings: str
    price: str
    held: bool
    ends: str


class _Pages:
    def __init__(self, portal: Portal) -> None:
        self._portal = portal
        self._site = portal.site
        self._billing = portal.billing

    def overview(self, request: Request) -> Response:
        organisation = self._portal.member(request).organisation
        wanted = request.query_params.get("add")
        offer = self._portal.offers()
        if wanted is not None and any(one.addon.name == wanted for one in offer.addons):
            return self._site.redirect(f"/billing/add-ons/{wanted}")
        view = self._billing.view(organisation)
        invoices = self._billing.invoices(organisation)
        customer = organisation.customer
        words = self._portal.content().portal
        plans = plan_table(offer, words)
        return self._site.render(
            request,
            "account/billing.html",
            view=view,
            plans=plans,
            addons=[] if view is None else _addon_rows(offer.addons, view, words),
            invoices=invoices[:_INVOICES_SHOWN],
            more=len(invoices) > _INVOICES_SHOWN,
            owed=[row for row in invoices if not row.paid],
            methods=[] if customer is None else self._portal.paying.methods(customer),
            span=span,
        )

    def invoices(self, request: Request) -> Response:
        rows = self._billing.invoices(self._portal.member(request).organisation)
        return self._site.render(request, "account/invoices.html", invoices=rows)

    def invoice(self, request: Request, invoice: UUID) -> Response:
        organisation = self._portal.member(request).organisation
        row, whole = self._billing.invoice(organisation, invoice)
        return self._site.render(
            request,
            "account/invoice.html",
            row=row,
            invoice=whole,
            figure=figure,
            methods=[]
            if organisation.customer is None
            else self._portal.paying.methods(organisation.customer),
        )

    def printed(self, request: Request, invoice: UUID) -> Response:
        """Answer with the invoice as a page that stands alone, for printing or keeping."""
        _, whole = self._billing.invoice(self._portal.member(request).organisation, invoice)
        return Response(
            invoice_page(whole),
            media_type="text/html; charset=utf-8",
            # It has its style within it, and nothing else.
            headers={
                "content-security-policy": "default-src 'none'; style-src 'unsafe-inline'; "
                "base-uri 'none'; form-action 'none'; frame-ancestors 'none'; sandbox allow-modals"
            },
        )

    def pdf(self, request: Request, invoice: UUID) -> Response:
        row, whole = self._billing.invoice(self._portal.member(request).organisation, invoice)
        name = re.sub(r"[^A-Za-z0-9._-]+", "-", row.number)
        return Response(
            invoice_pdf(whole),
            media_type="application/pdf",
            headers={"content-disposition": f'inline; filename="{name}.pdf"'},
        )


def _addon_rows(addons: Sequence[AddOnVersion], view: BillingView, words: PortalFile) -> list[AddOnRow]:
    held = {one.name: one for one in view.addons}
    rows = []
    for version in addons:
        addon = version.addon
        if version.currency.code != view.subscription.currency and addon.name not in held:
            continue
        fee = sum((price.model.amount for price in addon.prices if isinstance(price.model, Flat)), Decimal(0))
        brings = [named(feature, words) for feature in sorted(addon.features)]
        brings += [f"{more:,} more {unit_of(meter, words)}" for meter, more in sorted(addon.quota.items())]
        mine = held.get(addon.name)
        rows.append(
            AddOnRow(
                name=addon.name,
                title=named(addon.name, words),
                brings=", ".join(brings),
                price=amount(fee, version.currency),
                held=mine is not None,
                ends="" if mine is None or mine.ends_at is None else mine.ends_at.isoformat(),
            )
        )
    return rows
