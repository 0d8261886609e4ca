"""Subscriptions: made, changed, previewed, cancelled; their add-ons."""

from __future__ import annotations

from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Depends
from starlette.responses import Response

from tollway.kernel.mode import Mode
from tollway.web.api.convert import change_out, overview_out, preview_out, subscription_out
from tollway.web.api.idempotency import Once
from tollway.web.api.models import (
    AddOnChange,
    AddOnRemoval,
    Cancellation,
    ChangeOut,
    NewSubscription,
    OverviewOut,
    PlanChange,
    PreviewOut,
    SubscriptionOut,
)
from tollway.web.api.paging import CursorParam, LimitParam, Page, cursor_id, page
from tollway.web.api.ports import Sold
from tollway.web.api.problem import parsed_id

__all__ = ["subscriptions_router"]

_Once = Annotated[Once, Depends(Once)]


def _id(subscription: str) -> UUID:
    return parsed_id(subscription, "subscription")


_Id = Annotated[UUID, Depends(_id)]


def subscriptions_router(sold: Sold) -> APIRouter:
    """Make the routes."""
    router = APIRouter(prefix="/subscriptions", tags=["subscriptions"])
    _add_reads(router, sold)
    _add_changes(router, sold)
    _add_add_ons(router, sold)
    return router


def _add_reads(router: APIRouter, sold: Sold) -> None:
    @router.get("", summary="List subscriptions, those that ended too, the oldest first")
    def subscriptions(
        mode: Mode | None = None,
        customer: UUID | None = None,
        limit: LimitParam = 50,
        cursor: CursorParam = None,
    ) -> Page[SubscriptionOut]:
        with sold.view() as view:
            found = view.listings.subscriptions(
                mode=mode, customer=customer, after=cursor_id(cursor), limit=limit + 1
            )
        now = sold.now()
        return page(found, limit, lambda one: [str(one.id)], lambda one: subscription_out(one, now))

    @router.get("/{subscription}", summary="Read a subscription")
    def subscription(subscription: _Id) -> SubscriptionOut:
        with sold.view() as view:
            return subscription_out(view.subscriptions.get(subscription), sold.now())

    @router.get("/{subscription}/overview", summary="What it has, how much is used, what comes next")
    def overview(subscription: _Id) -> OverviewOut:
        return overview_out(sold.looks.of(subscription))

    @router.get("/{subscription}/next-invoice", summary="What will be invoiced next, with the usage so far")
    def next_invoice(subscription: _Id) -> PreviewOut:
        return preview_out(sold.previews.next_invoice(subscription))


def _add_changes(router: APIRouter, sold: Sold) -> None:
    @router.post("", status_code=201, response_model=SubscriptionOut, summary="Subscribe a consumer")
    def create(wanted: NewSubscription, once: _Once) -> Response:
        return once(
            wanted,
            201,
            lambda: subscription_out(
                sold.changes.create(wanted.consumer, wanted.plan, wanted.mode), sold.now()
            ),
        )

    @router.post("/preview", summary="What subscribing would cost")
    def preview_create(wanted: NewSubscription) -> PreviewOut:
        return preview_out(sold.previews.preview_create(wanted.consumer, wanted.plan, wanted.mode))

    @router.post("/{subscription}/change", response_model=ChangeOut, summary="Change the plan")
    def change(subscription: _Id, wanted: PlanChange, once: _Once) -> Response:
        return once(
            wanted, 200, lambda: change_out(sold.changes.change(subscription, wanted.plan), sold.now())
        )

    @router.post("/{subscription}/change/preview", summary="What a change of plan would cost")
    def preview_change(subscription: _Id, wanted: PlanChange) -> PreviewOut:
        return preview_out(sold.previews.preview_change(subscription, wanted.plan))

    @router.post("/{subscription}/cancel", response_model=SubscriptionOut, summary="Cancel a subscription")
    def cancel(subscription: _Id, wanted: Cancellation, once: _Once) -> Response:
        return once(
            wanted,
            200,
            lambda: subscription_out(sold.changes.cancel(subscription, wanted.timing), sold.now()),
        )


def _add_add_ons(router: APIRouter, sold: Sold) -> None:
    @router.post(
        "/{subscription}/add-ons", status_code=201, response_model=ChangeOut, summary="Take an add-on on"
    )
    def add(subscription: _Id, wanted: AddOnChange, once: _Once) -> Response:
        return once(
            wanted, 201, lambda: change_out(sold.changes.add_on(subscription, wanted.add_on), sold.now())
        )

    @router.post("/{subscription}/add-ons/preview", summary="What an add-on would cost")
    def preview_add(subscription: _Id, wanted: AddOnChange) -> PreviewOut:
        return preview_out(sold.previews.preview_add_on(subscription, wanted.add_on))

    @router.post(
        "/{subscription}/add-ons/{name}/remove", response_model=ChangeOut, summary="Give an add-on up"
    )
    def remove(subscription: _Id, name: str, wanted: AddOnRemoval, once: _Once) -> Response:
        def done() -> ChangeOut:
            return change_out(sold.changes.remove_add_on(subscription, name, wanted.timing), sold.now())

        return once(wanted, 200, done)

    @router.post("/{subscription}/add-ons/{name}/remove/preview", summary="What giving it up comes to")
    def preview_remove(subscription: _Id, name: str, wanted: AddOnRemoval) -> PreviewOut:
        return preview_out(sold.previews.preview_removal(subscription, name, wanted.timing))
