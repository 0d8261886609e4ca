"""Invoices of all customers, and one of them with its lines."""

from __future__ import annotations

from uuid import UUID

from fastapi import Request
from starlette.responses import Response

from tollway.billing.models import InvoiceStatus
from tollway.kernel.mode import Mode
from tollway.web.console.context import Console
from tollway.web.console.ports.invoices import InvoiceFilter
from tollway.web.invoice.pdf import invoice_pdf
from tollway.web.ui.access import Access
from tollway.web.ui.paging import page_number
from tollway.web.ui.routing import Routes

__all__ = ["add_pages"]


def add_pages(routes: Routes, console: Console) -> None:
    """Register the pages."""
    pages = _Pages(console)
    routes.get("/invoices", pages.listing, access=Access.SIGNED_IN)
    routes.get("/invoices/{invoice}", pages.one, access=Access.SIGNED_IN)
    routes.get("/invoices/{invoice}/pdf", pages.pdf, access=Access.SIGNED_IN)
    routes.nav("Invoices", "/invoices", order=20, group="Business")


class _Pages:
    def __init__(self, console: Console) -> None:
        self._console = console

    def listing(self, request: Request, status: str = "", mode: str = "live", unpaid: str = "") -> Response:
        chosen = InvoiceFilter(
            mode=Mode.TEST if mode == Mode.TEST else Mode.LIVE,
            status=InvoiceStatus(status) if status in set(InvoiceStatus) else None,
            unpaid=unpaid == "1",
            page=page_number(request),
        )
        return self._console.site.render(
            request, "console/invoices.html", chosen=chosen, found=self._console.invoices.page(chosen)
        )

    def one(self, request: Request, invoice: UUID) -> Response:
        view = self._console.invoices.invoice(invoice)
        return self._console.site.render(request, "console/invoice.html", view=view, invoice=view.document)

    def pdf(self, request: Request, invoice: UUID) -> Response:  # noqa: ARG002
        document = self._console.invoices.invoice(invoice).document
        name = document["number"] or "draft"
        safe = "".join(c if c.isascii() and (c.isalnum() or c in "-_") else "-" for c in name)
        return Response(
            invoice_pdf(document),
            media_type="application/pdf",
            headers={"content-disposition": f'attachment; filename="{safe}.pdf"'},
        )
