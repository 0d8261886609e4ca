"""Payments and refunds."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Annotated, Any, Protocol
from uuid import UUID

from fastapi import APIRouter, Depends
from pydantic import BaseModel, ConfigDict, Field
from starlette.responses import Response

from tollway.billing.payments.models import PaymentStatus
from tollway.kernel.mode import Mode
from tollway.web.api.idempotency import Once
from tollway.web.api.paging import CursorParam, LimitParam, Page, cursor_id, page
from tollway.web.api.problem import parsed_id

__all__ = ["Desk", "payments_router"]


class Desk(Protocol):
    """What the routes need; `app.payment_report` implements it. Rows are `web.payments.convert`'s."""

    def search(
        self,
        *,
        mode: Mode | None = None,
        customer: str | UUID | None = None,
        status: PaymentStatus | None = None,
        before: UUID | None = None,
        limit: int = 100,
    ) -> Sequence[Mapping[str, Any]]:
        """Return the payments that match, the newest first."""

    def show(self, payment: UUID) -> Mapping[str, Any]:
        """Return a payment."""

    def refund(self, reference: str, amount: str | None, reason: str) -> Mapping[str, Any]:
        """Give money back of a payment."""


class AttemptOut(BaseModel):
    """A try to take the money. `code` is a stable word, `message` the provider's own."""

    number: int
    status: str
    provider: str
    reference: str | None
    code: str | None
    message: str | None
    started_at: str
    finished_at: str | None


class RefundOut(BaseModel):
    """Money given back; `unknown` until the provider has answered."""

    id: str
    status: str
    amount: str
    reason: str
    reference: str | None
    message: str | None
    created_at: str
    finished_at: str | None


class PaymentOut(BaseModel):
    """What was collected for an invoice; `reason` says why it wasn't."""

    id: str
    invoice: str
    customer: str
    mode: Mode
    status: PaymentStatus
    currency: str
    amount: str
    credit_applied: Annotated[str, Field(description="What the customer's credit balance paid.")]
    refunded: str
    reason: str | None
    created_at: str
    attempts: Sequence[AttemptOut]
    refunds: Sequence[RefundOut]


class NewRefund(BaseModel):
    """Money to be given back to the card that paid; the invoice stays paid."""

    model_config = ConfigDict(extra="forbid")

    amount: Annotated[
        str | None, Field(max_length=30, description="In major units; all that is left if absent.")
    ] = None
    reason: Annotated[str, Field(max_length=500)] = ""


def payments_router(desk: Desk) -> APIRouter:
    """Make the routes."""
    router = APIRouter(prefix="/payments", tags=["payments"])

    @router.get("", summary="List payments, the newest first")
    def payments(
        *,
        mode: Mode | None = None,
        customer: UUID | None = None,
        status: PaymentStatus | None = None,
        limit: LimitParam = 50,
        cursor: CursorParam = None,
    ) -> Page[PaymentOut]:
        found = desk.search(
            mode=mode, customer=customer, status=status, before=cursor_id(cursor), limit=limit + 1
        )
        return page(found, limit, lambda one: [str(one["id"])], PaymentOut.model_validate)

    @router.get("/{payment}", summary="Read a payment")
    def payment(payment: str) -> PaymentOut:
        return PaymentOut.model_validate(desk.show(parsed_id(payment, "payment")))

    @router.post("/{payment}/refunds", status_code=201, summary="Give money back", response_model=PaymentOut)
    def refund(payment: str, body: NewRefund, once: Annotated[Once, Depends(Once)]) -> Response:
        which = str(parsed_id(payment, "payment"))
        return once(
            body,
            201,
            lambda: PaymentOut.model_validate(desk.refund(which, body.amount, body.reason)),
        )

    return router
