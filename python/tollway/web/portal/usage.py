"""Usage: what it costs so far, how far the limits are, which key called what and when."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Sequence
from dataclasses import replace
from datetime import date

from fastapi import Request
from starlette.responses import Response

from tollway.billing.wording import span
from tollway.web.portal.account_format import install
from tollway.web.portal.content.model import PortalFile
from tollway.web.portal.context import Portal
from tollway.web.portal.offer.titles import unit_of
from tollway.web.portal.ports.usage import UsageView
from tollway.web.portal.usage_charts import by_day, by_hour, gauge, limit_rows
from tollway.web.ui.access import Access
from tollway.web.ui.charts import meter, swatch
from tollway.web.ui.routing import Routes
from tollway.web.ui.spreadsheet import safe_cell

__all__ = ["add_pages"]

_MOST_PERIODS_BACK = 11


def add_pages(routes: Routes, portal: Portal) -> None:
    """Register the pages."""
    install(portal)
    pages = _Pages(portal)
    routes.get("/usage", pages.page, access=Access.SIGNED_IN)
    routes.get("/usage/live", pages.live, access=Access.SIGNED_IN)
    routes.get("/usage.csv", pages.rows, access=Access.SIGNED_IN)
    routes.nav("Usage", "/usage", order=20)


class _Pages:
    def __init__(self, portal: Portal) -> None:
        self._portal = portal
        self._usage = portal.usage

    def page(self, request: Request) -> Response:
        shown = self._shown(request, "account/usage.html")
        return shown or self._portal.site.render(request, "account/usage_none.html")

    def live(self, request: Request) -> Response:
        """Answer with what changed since `seen`; 204 where nothing did, which htmx leaves as it is."""
        organisation = self._portal.member(request).organisation
        if request.query_params.get("seen") == self._usage.pulse(organisation):
            return Response(status_code=204)
        answer = self._shown(request, "account/usage_live.html")
        if answer is None:
            # The plan has ended meanwhile: the whole page is another one now.
            return Response(status_code=204, headers={"hx-refresh": "true"})
        return answer

    def rows(self, request: Request) -> Response:
        organisation = self._portal.member(request).organisation
        period = _period(request)
        return Response(
            _csv(self._usage.rows(organisation, period=period)),
            media_type="text/csv; charset=utf-8",
            headers={"content-disposition": f'attachment; filename="usage-{organisation.slug}.csv"'},
        )

    def _shown(self, request: Request, template: str) -> Response | None:
        organisation = self._portal.member(request).organisation
        view = self._usage.view(organisation, period=_period(request), day=_day(request))
        if view is None:
            return None
        view = _in_words(view, self._portal.content().portal)
        return self._portal.site.render(
            request,
            template,
            view=view,
            days=by_day(view),
            hours=by_hour(view),
            gauge=gauge(view),
            limits=limit_rows(view),
            meter=meter,
            swatch=swatch,
            span=span,
        )


def _in_words(view: UsageView, words: PortalFile) -> UsageView:
    """Call the units as the seller calls them."""
    gauge = None if view.gauge is None else replace(view.gauge, unit=unit_of(view.gauge.unit, words))
    limits = [replace(limit, unit=unit_of(limit.unit, words)) for limit in view.limits]
    return replace(view, gauge=gauge, limits=limits)


def _period(request: Request) -> int:
    asked = request.query_params.get("period", "")
    number = int(asked) if asked.isascii() and asked.isdigit() and len(asked) < 3 else 0
    return min(number, _MOST_PERIODS_BACK)


def _day(request: Request) -> date | None:
    try:
        return date.fromisoformat(request.query_params.get("day", ""))
    except ValueError:
        return None


def _csv(rows: Iterable[Sequence[str | int]]) -> str:
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\r\n")  # RFC 4180
    for row in rows:
        writer.writerow([safe_cell(cell) for cell in row])
    return text.getvalue()
