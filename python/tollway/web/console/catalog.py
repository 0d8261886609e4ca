"""The catalog: what is for sale, and the same as a file to edit."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence

from fastapi import Request
from starlette.responses import Response

from tollway.billing.insight import as_money, monthly_fee
from tollway.catalog.errors import CatalogFaults
from tollway.catalog.models import Catalog
from tollway.catalog.parse import parse_catalog
from tollway.catalog.service import Action, Applied
from tollway.catalog.versions import PlanVersion
from tollway.catalog.writing import catalog_text
from tollway.kernel.currency import Currency
from tollway.kernel.errors import Conflict, InvalidInput
from tollway.kernel.money import Money
from tollway.web.console.context import Console
from tollway.web.console.ports.catalog import CatalogView
from tollway.web.ui.access import Access
from tollway.web.ui.routing import Routes

__all__ = ["add_pages", "told"]


def add_pages(routes: Routes, console: Console) -> None:
    """Register the pages."""
    site = console.site

    def shown(request: Request) -> Response:
        view = console.catalogs.shown()
        fees = {version.id: _monthly(version) for version in view.plans}
        return site.render(request, "console/catalog.html", view=view, fees=fees)

    def as_file(request: Request) -> Response:
        first, *others = _files(console.catalogs.shown())
        return _file_page(request, catalog_text(first), others=[catalog_text(one) for one in others])

    def publish(request: Request) -> Response:
        text = str((request.state.form or {}).get("text", "")).replace("\r\n", "\n")
        try:
            published = console.catalogs.publish(parse_catalog(text.encode(), "catalog.yaml"))
        except CatalogFaults as error:
            return _file_page(request, text, faults=[str(fault) for fault in error.faults])
        except (Conflict, InvalidInput) as error:
            return _file_page(request, text, faults=[str(error)])
        return site.redirect("/catalog", flash=told(published))

    def _file_page(
        request: Request, text: str, *, faults: list[str] | None = None, others: list[str] | None = None
    ) -> Response:
        return site.render(
            request,
            "console/catalog_file.html",
            status=422 if faults else 200,
            text=text,
            faults=faults or [],
            others=others or [],
        )

    routes.get("/catalog", shown, access=Access.SIGNED_IN)
    routes.get("/catalog/file", as_file, access=Access.SIGNED_IN)
    routes.post("/catalog/file", publish, access=Access.SIGNED_IN)
    routes.nav("Plans and prices", "/catalog", order=30, group="Product")


def told(published: Sequence[Applied]) -> str:
    """Say what publishing did, in a sentence."""
    done = [
        f"{one.name}, version {one.version}" if one.version else f"meter {one.name}"
        for one in published
        if one.action is not Action.UNCHANGED
    ]
    return f"Published: {'; '.join(done)}." if done else "Nothing changed: it is as it was published before."


def _monthly(version: PlanVersion) -> Money:
    fee = monthly_fee(version.plan.prices, version.plan.interval, version.currency)
    return as_money(fee, version.currency)


def _files(view: CatalogView) -> list[Catalog]:
    """Return what is current as catalog files: one for each currency, the seller's own first."""
    plans: dict[Currency, list[PlanVersion]] = defaultdict(list)
    for version in view.plans:
        plans[version.currency].append(version)
    codes = {*plans, *(one.currency for one in view.addons)}
    ordered = sorted(codes, key=lambda code: (code != view.currency, code.code)) or [view.currency]
    return [
        Catalog(
            code,
            tuple(view.meters),
            tuple(version.plan for version in plans[code]),
            tuple(one.addon for one in view.addons if one.currency == code),
        )
        for code in ordered
    ]
