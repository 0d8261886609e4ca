"""Usage of all customers by route and status, and the health of the gateways."""

from __future__ import annotations

from fastapi import Request
from starlette.responses import Response

from tollway.web.console.context import Console
from tollway.web.ui.access import Access
from tollway.web.ui.charts import swatch, twin
from tollway.web.ui.columns import Column, columns
from tollway.web.ui.routing import Routes

__all__ = ["add_pages"]


def add_pages(routes: Routes, console: Console) -> None:
    """Register the pages."""

    def usage(request: Request) -> Response:
        view = console.watch.usage()
        last = len(view.days) - 1
        chart = columns(
            [
                Column(
                    label=f"{day.day.day} {day.day:%b}",
                    title=f"{day.day.day} {day.day:%b}: {day.calls:,} calls, {day.errors:,} with an error",
                    parts=(("s1", day.calls - day.errors), ("s6", day.errors)),
                    strong=index == last,
                )
                for index, day in enumerate(view.days)
            ],
            title="Calls by day, the last 30 days, UTC",
        )
        table = twin(
            ("Day, UTC", "Calls", "Errors (5xx)"),
            [(f"{day.day.day} {day.day:%b %Y}", f"{day.calls:,}", f"{day.errors:,}") for day in view.days],
        )
        return console.site.render(
            request,
            "console/usage.html",
            view=view,
            chart=chart,
            table=table,
            calls_swatch=swatch("s1"),
            errors_swatch=swatch("s6"),
            now=console.clock.now(),
        )

    def health(request: Request) -> Response:
        return console.site.render(request, "console/health.html", view=console.watch.health())

    routes.get("/usage", usage, access=Access.SIGNED_IN)
    routes.get("/health", health, access=Access.SIGNED_IN)
    routes.nav("Usage", "/usage", order=55, group="Gateway")
    routes.nav("Nodes", "/health", order=60, group="Gateway")
