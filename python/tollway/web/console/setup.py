"""First-run setup: the operator's account by the one-time token, then the shop, step by step.

Every step can be left out and done later; at the end home says what is still to do.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

from fastapi import Request
from starlette.responses import Response

from tollway.accounts.errors import LinkUnusable, TooManyAttempts
from tollway.catalog.models import Catalog
from tollway.catalog.parse import parse_catalog
from tollway.kernel.errors import Conflict, InvalidInput
from tollway.web.console.context import Console
from tollway.web.console.ports.routing import Guards, Refused, RouteDraft, ServiceDraft
from tollway.web.console.ports.setup import SellerDraft
from tollway.web.console.sign_in import SESSION_SECONDS
from tollway.web.ui.access import Access
from tollway.web.ui.forms import Form
from tollway.web.ui.routing import Routes
from tollway.web.ui.sessions import place, signed_in

__all__ = ["STEPS", "add_pages"]

STEPS = ("Your account", "Seller", "API", "Plan", "Portal")

_TAX_KINDS = (("eu_vat", "EU VAT"), ("gb_vat", "UK VAT"), ("us_ein", "US EIN"), ("other", "Another"))


class _Template(NamedTuple):
    """A plan to begin with; `prices` in the catalog file's shape."""

    label: str
    note: str
    plan: str


_TEMPLATES: Mapping[str, _Template] = {
    "free": _Template(
        "free",
        "No fee. 1,000 calls a month, then calls stop; 60 a minute.",
        "{name: free, rate_limit: {minute: 60}, quota: {api_calls: 1000}}",
    ),
    "pro": _Template(
        "pro",
        "49.00 a month with 10,000 calls; 0.002 for each beyond; 1,000 a minute.",
        '{name: pro, rate_limit: {minute: 1000}, prices: [{model: flat, amount: "49.00"}, '
        "{model: graduated, meter: api_calls, "
        'tiers: [{up_to: "10000", unit_amount: "0"}, {up_to: null, unit_amount: "0.002"}]}]}',
    ),
    "pay_as_you_go": _Template(
        "pay_as_you_go",
        "No fee. 0.004 for each call; 600 a minute.",
        "{name: pay_as_you_go, rate_limit: {minute: 600}, "
        'prices: [{model: per_unit, meter: api_calls, unit_amount: "0.004"}]}',
    ),
}


def add_pages(routes: Routes, console: Console) -> None:
    """Register the pages."""
    pages = _Pages(console)
    routes.get("/setup", pages.account, access=Access.ANYONE)
    routes.post("/setup", pages.make_account, access=Access.ANYONE)
    routes.get("/setup/seller", pages.seller, access=Access.SIGNED_IN)
    routes.post("/setup/seller", pages.save_seller, access=Access.SIGNED_IN)
    routes.get("/setup/api", pages.api, access=Access.SIGNED_IN)
    routes.post("/setup/api", pages.make_api, access=Access.SIGNED_IN)
    routes.get("/setup/plan", pages.plan, access=Access.SIGNED_IN)
    routes.post("/setup/plan", pages.publish_plan, access=Access.SIGNED_IN)
    routes.get("/setup/portal", pages.portal, access=Access.SIGNED_IN)


class _Pages:
    def __init__(self, console: Console) -> None:
        self._console = console
        self._site = console.site

    def account(self, request: Request) -> Response:
        if not self._console.operators.setup_needed():
            return self._site.redirect("/")
        token = request.query_params.get("token", "")[:200]
        return self._page(request, "account", 0, Form(request, token=token))

    def make_account(self, request: Request) -> Response:
        form = Form(request)
        token, name = form.text("token", longest=200), form.text("name", longest=100)
        email, password = form.email("email"), form.secret("password")
        if form.ok:
            try:
                session = self._console.operators.set_up(
                    token, name=name, email=email, password=password, place=place(request)
                )
            except LinkUnusable:
                form.fail("token", "This is not the setup token. It was printed when Tollway was started.")
            except TooManyAttempts as error:
                form.fail("token", str(error))
            except InvalidInput as error:
                form.fault(error, "password")
            else:
                return signed_in(self._site, "/setup/seller", session, seconds=SESSION_SECONDS)
        return self._page(request, "account", 0, form)

    def seller(self, request: Request) -> Response:
        seller = self._console.setup.state().seller
        details = None if seller is None else seller.details
        tax = None if details is None or not details.tax_ids else details.tax_ids[0]
        form = Form(
            request,
            name=(details.name if details else None) or "",
            address="\n".join(details.address) if details else "",
            country=(details.country if details else None) or "",
            tax_kind=tax.kind if tax else "eu_vat",
            tax_value=tax.value if tax else "",
            currency=(seller.home_currency if seller else None) or "USD",
            invoice_prefix=seller.invoice_prefix if seller else "INV-",
        )
        return self._page(request, "seller", 1, form)

    def save_seller(self, request: Request) -> Response:
        form = Form(request)
        address = form.text("address", longest=1_000, lines=True)
        draft = SellerDraft(
            name=form.text("name", longest=200),
            address=tuple(line.strip() for line in address.splitlines() if line.strip()),
            country=form.text("country", longest=2).upper(),
            tax_kind=form.choice("tax_kind", [kind for kind, _ in _TAX_KINDS]),
            tax_value=form.text("tax_value", longest=40, required=False),
            currency=form.text("currency", longest=3).upper(),
            invoice_prefix=form.text("invoice_prefix", longest=16, required=False),
        )
        if form.ok:
            try:
                self._console.setup.save_seller(draft)
            except InvalidInput as error:
                form.fault(error)
            else:
                return self._site.redirect("/setup/api", flash="Invoices are issued in this name.")
        return self._page(request, "seller", 1, form)

    def api(self, request: Request) -> Response:
        return self._page(request, "api", 2, Form(request, name="", url="", path="/v1", keys="1"))

    def make_api(self, request: Request) -> Response:
        form = Form(request)
        name, url = form.text("name", longest=100), form.text("url", longest=2_500)
        path = form.text("path", longest=2_000)
        if form.ok:
            routing = self._console.routing
            guards = Guards(keys=form.checked("keys"))
            try:
                routing.create_api(
                    ServiceDraft(name=name, url=url, guards=guards),
                    RouteDraft(name=name, service=None, paths=(path,), strip_path=False),
                )
            except Refused as refused:
                for field, sentence in refused.faults.items():
                    known = {"name": "name", "paths": "path"}.get(field, "url")
                    form.fail(known, f"The gateway would refuse this: {sentence}.")
            else:
                return self._site.redirect("/setup/plan", flash=f"Calls to {path} reach {url}.")
        return self._page(request, "api", 2, form)

    def plan(self, request: Request) -> Response:
        return self._page(request, "plan", 3, Form(request, template="pro"))

    def publish_plan(self, request: Request) -> Response:
        form = Form(request)
        chosen = form.choice("template", list(_TEMPLATES))
        if form.ok:
            try:
                name = self._publish(chosen)
            except (Conflict, InvalidInput) as error:
                form.fail("template", str(error))
            else:
                return self._site.redirect("/setup/portal", flash=f"Plan {name} is published.")
        return self._page(request, "plan", 3, form)

    def portal(self, request: Request) -> Response:
        return self._page(request, "portal", 4, Form(request))

    def _publish(self, chosen: str) -> str:
        """Publish a template in the seller's currency, with the meter that it needs if there is none."""
        view = self._console.catalogs.shown()
        made = parse_catalog(_document(chosen, view.currency.code).encode(), chosen)
        known = {meter.name for meter in view.meters}
        # A meter of this name that is there already counts what its owner wants it to.
        meters = (*view.meters, *(meter for meter in made.meters if meter.name not in known))
        catalog = Catalog(view.currency, meters, made.plans)
        self._console.catalogs.publish(catalog, standing={made.plans[0].name: None})
        return made.plans[0].name

    def _page(self, request: Request, step: str, number: int, form: Form) -> Response:
        signed = request.state.signed is not None
        return self._site.render(
            request,
            f"console/setup_{step}.html",
            status=form.status,
            form=form,
            steps=STEPS,
            number=number,
            state=self._console.setup.state() if signed else None,
            currency=self._console.catalogs.shown().currency.code if signed else "",
            tax_kinds=_TAX_KINDS,
            templates=_TEMPLATES,
        )


def _document(chosen: str, currency: str) -> str:
    return (
        f'{{_format_version: "1.0", currency: {currency}, '
        'meters: [{name: api_calls, aggregation: count, filter: {status: ["2xx", "3xx"]}}], '
        f"plans: [{_TEMPLATES[chosen].plan}]}}"
    )
