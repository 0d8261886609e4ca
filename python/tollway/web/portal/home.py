"""The landing page and the pricing page: what it is, what it costs, and a price for any number of calls."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from fastapi import Request
from markupsafe import Markup
from starlette.responses import Response

from tollway.catalog.versions import PlanVersion
from tollway.kernel.errors import InvalidInput
from tollway.web.openapi.model import Operation
from tollway.web.openapi.samples import samples
from tollway.web.portal.content.model import Content
from tollway.web.portal.context import Portal
from tollway.web.portal.offer.estimate import Axis, Estimates, axis, cheapest, main_meter
from tollway.web.portal.offer.ruler import Change, price_ruler
from tollway.web.portal.offer.table import plan_table, sold_plans
from tollway.web.portal.offer.titles import unit_of
from tollway.web.portal.offer.words import UNLIMITED, included, money
from tollway.web.ui.access import Access
from tollway.web.ui.highlight import highlight
from tollway.web.ui.routing import Routes

__all__ = ["KEY_PLACEHOLDER", "add_pages"]

KEY_PLACEHOLDER = "YOUR_KEY"
_START = 600  # where the slider stands before anybody moved it


def add_pages(routes: Routes, portal: Portal) -> None:
    """Register the pages."""

    def home(request: Request) -> Response:
        content = portal.content()
        return portal.site.render(
            request,
            "portal/home.html",
            hero=content.portal.hero,
            sample=_hero_sample(content, portal.api_url(request)),
            has_reference=content.description is not None,
            **_pricing(portal, content, request),
        )

    def pricing(request: Request) -> Response:
        return portal.site.render(
            request, "portal/pricing.html", **_pricing(portal, portal.content(), request)
        )

    def estimate(request: Request) -> Response:
        return portal.site.render(
            request, "portal/_estimate.html", **_pricing(portal, portal.content(), request)
        )

    routes.get("/", home, access=Access.ANYONE)
    routes.get("/pricing", pricing, access=Access.ANYONE)
    routes.get("/pricing/estimate", estimate, access=Access.ANYONE)
    routes.nav("Pricing", "/pricing", order=8, access=Access.ANYONE)


@dataclass(frozen=True, slots=True)
class HeroSample:
    """The call beside the hero, and the answer that the OpenAPI file promises."""

    title: str
    slug: str
    code: Markup
    answer: Markup
    status: str


@dataclass(frozen=True, slots=True)
class Calculator:
    """The slider and what it comes to. `titles` are the plans' by name."""

    unit: str
    position: int
    estimates: Estimates
    titles: dict[str, str]
    totals: dict[str, str]
    lines: Sequence[tuple[str, str]]
    ruler: Markup
    least: int
    most: int


def _hero_sample(content: Content, origin: str) -> HeroSample | None:
    if content.description is None:
        return None
    api = content.description.api
    wanted = content.portal.hero.operation
    # Without a wish: the first that is only looked at and answers with JSON.
    entries = [entry for entry in api.entries if (entry.id == wanted if wanted else entry.method == "GET")]
    for entry in entries[:20]:
        operation = api.operation(entry.slug)
        good = _good_answer(operation) if operation is not None else None
        if operation is None or (good is None and not wanted):
            continue
        try:
            code = samples(operation, origin, api.base_path, KEY_PLACEHOLDER)[0].code
        except InvalidInput:
            continue
        status, example = good or ("", "")
        title = f"{entry.method} {api.base_path}{entry.path}"
        return HeroSample(title, entry.slug, highlight(code, "curl"), highlight(example, "json"), status)
    return None


def _good_answer(operation: Operation) -> tuple[str, str] | None:
    for answer in operation.answers:
        if answer.status.startswith("2") and answer.content is not None and answer.content.is_json:
            return answer.status, answer.content.example
    return None


def _pricing(portal: Portal, content: Content, request: Request) -> dict[str, Any]:
    offer = portal.offers()
    words = content.portal
    table = plan_table(offer, words)
    plans = sold_plans(offer, words)
    meter = main_meter(offer)
    calculator = None
    if table is not None and meter is not None:
        titles = {column.name: column.title for column in table.columns}
        calculator = _calculator(plans, meter, unit_of(meter, words), titles, request)
    return {"table": table, "calc": calculator, "words": words}


def _calculator(
    plans: Sequence[PlanVersion], meter: str, unit: str, titles: dict[str, str], request: Request
) -> Calculator:
    scale = axis(plans, meter)
    quantity = _asked(request, scale)
    units = {meter: unit}
    found = cheapest(plans, meter, quantity, units)
    best = found.best
    return Calculator(
        unit=unit,
        position=scale.position(quantity),
        estimates=found,
        titles=titles,
        totals={each.plan.plan.name: money(each.total) for each in found.all if each.total is not None},
        lines=[(line.description, money(line.amount)) for line in best.lines] if best is not None else [],
        ruler=price_ruler(
            scale,
            list(_changes(plans, meter, titles, scale)),
            quantity,
            _free(best.plan if best is not None else None, meter),
        ),
        least=scale.low,
        most=scale.high,
    )


def _asked(request: Request, scale: Axis) -> int:
    """Return the number asked for: typed (`calls`), or the slider's place (`at`)."""
    typed, place = request.query_params.get("calls", ""), request.query_params.get("at", "")
    typed = typed.replace(",", "").strip()
    if typed.isascii() and typed.isdigit() and len(typed) <= 15:
        return min(max(int(typed), 0), scale.high)
    position = int(place) if place.isascii() and place.isdigit() and len(place) <= 4 else _START
    return scale.quantity(position)


def _free(plan: PlanVersion | None, meter: str) -> int:
    counts = [included(price) for price in plan.plan.prices if price.meter == meter] if plan else []
    least = min(counts, default=UNLIMITED)
    return (1 << 53) if least == UNLIMITED else int(least)


def _changes(
    plans: Sequence[PlanVersion], meter: str, titles: dict[str, str], scale: Axis
) -> Sequence[Change]:
    """Find where another plan becomes the best, on the slider's own steps."""
    found: list[Change] = []
    before: Estimates | None = None
    for position in range(0, 1001, 20):
        now = cheapest(plans, meter, scale.quantity(position), {})
        if before is not None and before.best is not None and now.best is not None:
            was, is_ = before.best.plan, now.best.plan
            if was.plan.name != is_.plan.name:
                limit = was.plan.quota.get(meter)
                stops = limit is not None and limit < now.quantity
                at = limit if stops and limit is not None else before.quantity
                found.append(Change(at, titles[was.plan.name], stops))
        before = now
    return found
