"""What is on sale: plans and add-ons."""

from __future__ import annotations

from fastapi import APIRouter

from tollway.kernel.errors import NotFound
from tollway.web.api.convert import addon_out, plan_out
from tollway.web.api.models import AddOnOut, PlanOut
from tollway.web.api.paging import CursorParam, LimitParam, Page, cursor_key, page
from tollway.web.api.ports import Sold

__all__ = ["catalog_router"]


def catalog_router(sold: Sold) -> APIRouter:
    """Make the routes."""
    router = APIRouter(tags=["catalog"])

    @router.get("/plans", summary="List the plans on sale, by name")
    def plans(limit: LimitParam = 50, cursor: CursorParam = None) -> Page[PlanOut]:
        with sold.view() as view:
            found = view.catalog.plans()
        after = cursor_key(cursor, str)
        rest = [one for one in found if after is None or one.plan.name > str(after[0])]
        return page(rest, limit, lambda one: [one.plan.name], plan_out)

    @router.get("/plans/{name}", summary="Read a plan")
    def plan(name: str) -> PlanOut:
        with sold.view() as view:
            found = view.catalog.plan(name)
        if found is None:
            raise NotFound("plan", name)
        return plan_out(found)

    @router.get("/add-ons", summary="List the add-ons on sale, by name")
    def addons(limit: LimitParam = 50, cursor: CursorParam = None) -> Page[AddOnOut]:
        with sold.view() as view:
            found = view.catalog.addons()
        after = cursor_key(cursor, str)
        rest = [one for one in found if after is None or one.addon.name > str(after[0])]
        return page(rest, limit, lambda one: [one.addon.name], addon_out)

    @router.get("/add-ons/{name}", summary="Read an add-on")
    def addon(name: str) -> AddOnOut:
        with sold.view() as view:
            found = view.catalog.addon(name)
        if found is None:
            raise NotFound("add-on", name)
        return addon_out(found)

    return router
