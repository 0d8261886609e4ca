"""A plan in a form: looked at, edited, tried with a quantity, and published as a new version."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal

from fastapi import Request
from starlette.responses import Response

from tollway.billing.estimate import Estimate, estimate
from tollway.catalog.models import Catalog, Cycle, Interval, Plan
from tollway.catalog.writing import catalog_text
from tollway.kernel.currency import Currency
from tollway.kernel.errors import Conflict, InvalidInput
from tollway.kernel.exact import parse_decimal
from tollway.web.console.catalog import told
from tollway.web.console.context import Console
from tollway.web.console.plan_form import MODELS, WINDOWS, PlanFields, fits, initial_fields
from tollway.web.console.ports.catalog import PlanView
from tollway.web.ui.access import Access
from tollway.web.ui.routing import Routes

__all__ = ["add_pages"]

_TRIED = "10000"
"""How much of a meter a preview begins with."""

_BLANK: Mapping[str, str] = {"interval": "month", "billing": "anniversary", "timezone": "UTC"}
_INTERVALS = [(one.value, one.value) for one in Interval]
_CYCLES = [
    (Cycle.ANNIVERSARY.value, "on the day the plan was taken"),
    (Cycle.CALENDAR.value, "with the calendar"),
]


@dataclass(frozen=True, slots=True)
class _Draft:
    """What a form is about: the plan it was made from, if any."""

    fields: PlanFields
    currency: Currency
    view: PlanView | None = None


def add_pages(routes: Routes, console: Console) -> None:
    """Register the pages."""
    pages = _Pages(console)
    routes.get("/catalog/new-plan", pages.begin, access=Access.SIGNED_IN)
    routes.post("/catalog/new-plan", pages.create, access=Access.SIGNED_IN)
    routes.get("/catalog/plans/{name:path}", pages.show, access=Access.SIGNED_IN)
    routes.post("/catalog/plans/{name:path}", pages.edit, access=Access.SIGNED_IN)


class _Pages:
    def __init__(self, console: Console) -> None:
        self._catalogs = console.catalogs
        self._site = console.site

    def show(self, request: Request, name: str) -> Response:
        view = self._catalogs.plan(name)
        fields = PlanFields(initial_fields(view.current.plan), view.meters)
        return self._page(request, _Draft(fields, view.current.currency, view))

    def begin(self, request: Request) -> Response:
        view = self._catalogs.shown()
        fields = PlanFields(_BLANK, view.meters)
        fields.apply("add-flat")
        return self._page(request, _Draft(fields, view.currency))

    def edit(self, request: Request, name: str) -> Response:
        view = self._catalogs.plan(name)
        # A plan is its name; another name would be another plan.
        fields = PlanFields(_posted(request) | {"name": name}, view.meters)
        return self._act(request, _Draft(fields, view.current.currency, view))

    def create(self, request: Request) -> Response:
        view = self._catalogs.shown()
        return self._act(request, _Draft(PlanFields(_posted(request), view.meters), view.currency))

    def _act(self, request: Request, draft: _Draft) -> Response:
        fields = draft.fields
        wanted = fields.value("do")
        if fields.apply(wanted):
            return self._page(request, draft)
        catalog = fields.read(draft.currency)
        if catalog is None:
            return self._page(request, draft)
        (plan,) = catalog.plans
        if wanted != "publish":
            return self._page(request, draft, plan=plan)
        base = fields.value("base")
        standing = {plan.name: int(base) if base.isascii() and base.isdigit() else None}
        try:
            published = self._catalogs.publish(catalog, standing=standing)
        except (Conflict, InvalidInput) as error:
            return self._page(request, draft, plan=plan, problem=str(error))
        return self._site.redirect("/catalog", flash=told(published))

    def _page(
        self, request: Request, draft: _Draft, *, plan: Plan | None = None, problem: str | None = None
    ) -> Response:
        fields, view = draft.fields, draft.view
        version = None if view is None else view.current.version
        estimated = None if plan is None else _estimate(plan, draft.currency, fields)
        return self._site.render(
            request,
            "console/plan.html",
            status=422 if fields.errors or problem else 200,
            form=fields,
            view=view,
            editable=view is None or fits(view.current.plan),
            base=fields.value("base") or ("" if version is None else str(version)),
            currency=draft.currency,
            problem=problem,
            models=MODELS,
            windows=WINDOWS,
            intervals=_INTERVALS,
            cycles=_CYCLES,
            tried=_tried(fields),
            estimated=estimated,
            text=None if plan is None else catalog_text(Catalog(draft.currency, (), (plan,))),
        )


def _posted(request: Request) -> dict[str, str]:
    form = request.state.form
    return {} if form is None else {name: text for name, text in form.items() if isinstance(text, str)}


def _tried(fields: PlanFields) -> Mapping[str, str]:
    """Return the quantity to try of each meter that the prices take."""
    return {meter: fields.value(f"try.{meter}") or _TRIED for meter in fields.metered}


def _estimate(plan: Plan, currency: Currency, fields: PlanFields) -> Estimate | None:
    quantities: dict[str, Decimal] = {}
    for meter, text in _tried(fields).items():
        try:
            quantities[meter] = parse_decimal(text.replace(",", "").strip(), f"try.{meter}")
        except InvalidInput as fault:
            fields.errors[f"try.{meter}"] = f"{fault.problem[:1].upper()}{fault.problem[1:]}."
            return None
    return estimate(plan.prices, currency, quantities)
