"""`POST /tollway/v1/events`: usage reported as CloudEvents, by the seller or with a customer's own key."""

from __future__ import annotations

from hashlib import sha256
from typing import Annotated, Any, Literal, Protocol
from uuid import UUID

from fastapi import APIRouter, Depends, Request
from pydantic import BaseModel, Field
from starlette.responses import Response

from tollway.web.api.idempotency import Once
from tollway.web.api.problem import ApiProblem

__all__ = ["EventReports", "KeyHolder", "Stored", "StoredEvent", "customer_events", "operator_events"]

_SINGLE, _BATCH = "application/cloudevents+json", "application/cloudevents-batch+json"


class KeyHolder(BaseModel):
    """The consumer whose key was shown, and every name by which it may call itself."""

    consumer: UUID
    names: frozenset[str]


class StoredEvent(BaseModel):
    """What became of an event."""

    source: str
    id: str
    status: Annotated[
        Literal["stored", "duplicate"],
        Field(description="`duplicate`: source and id were stored before; nothing was counted."),
    ]


class Stored(BaseModel):
    """What became of a request's events, in their order. Either all of them are here, or none was taken."""

    events: list[StoredEvent]


class EventReports(Protocol):
    """What events are reported to: `tollway.app.event_reports.EventIntake`."""

    def take(self, body: bytes, *, batch: bool, holder: KeyHolder | None) -> Stored:
        """Store events, all or none; `holder` may report its own usage only.

        Raises:
            InvalidInput, FaultyEvents: an event can't be read, or its subject is nobody.
            ApiProblem: it is not the holder's own.
        """

    def holder(self, key: str) -> KeyHolder | None:
        """Return whose key this is, None if it is nobody's or has ended."""


class _Sent(BaseModel):
    """Stands for the body where an `Idempotency-Key` is compared."""

    kind: str
    digest: str


async def _raw_body(request: Request) -> bytes:
    return await request.body()


_Body = Annotated[bytes, Depends(_raw_body)]


def _is_batch(request: Request) -> bool:
    kind = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if kind not in {_SINGLE, _BATCH}:
        raise ApiProblem(
            "unsupported_media_type", f"events are {_SINGLE} or {_BATCH}, not {kind or 'nothing'}"
        )
    return kind == _BATCH


_Batch = Annotated[bool, Depends(_is_batch)]

_EVENT: dict[str, Any] = {
    "type": "object",
    "required": ["specversion", "type", "source", "id", "data"],
    "properties": {
        "specversion": {"const": "1.0"},
        "type": {"const": "units", "description": "The meter."},
        "source": {"type": "string", "maxLength": 255},
        "id": {"type": "string", "maxLength": 255, "description": "With `source`, the identity."},
        "subject": {"type": "string", "description": "A consumer's username, custom id or id."},
        "time": {"type": "string", "format": "date-time", "description": "Default: now."},
        "data": {
            "type": "object",
            "required": ["usage_units"],
            "properties": {
                "usage_units": {"type": "integer", "minimum": 1},
                "api_endpoint": {"type": "string", "maxLength": 255},
            },
        },
    },
}
_DESCRIPTION = {
    "requestBody": {
        "required": True,
        "content": {
            _SINGLE: {"schema": _EVENT},
            _BATCH: {"schema": {"type": "array", "items": _EVENT, "minItems": 1, "maxItems": 1000}},
        },
    }
}


def operator_events(reports: EventReports) -> APIRouter:
    """Return the route for the seller, who may report anybody's usage."""
    router = APIRouter(tags=["events"])

    @router.post("/events", response_model=Stored, openapi_extra=_DESCRIPTION)
    def report(body: _Body, batch: _Batch, once: Annotated[Once, Depends(Once)]) -> Response:
        """Report usage: a CloudEvent, or a batch of which all are taken or none. An event counts once."""
        sent = _Sent(kind=_BATCH if batch else _SINGLE, digest=sha256(body).hexdigest())
        return once(sent, 200, lambda: reports.take(body, batch=batch, holder=None))

    return router


def customer_events(reports: EventReports) -> APIRouter:
    """Return the route for customers: a key of the gateway reports its consumer's own usage."""
    router = APIRouter(tags=["events"])

    @router.post("/events", openapi_extra=_DESCRIPTION)
    def report(request: Request, body: _Body, batch: _Batch) -> Stored:
        """Report usage of your own: a CloudEvent, or a batch of which all are taken or none."""
        return reports.take(body, batch=batch, holder=_holder(reports, request))

    return router


def _holder(reports: EventReports, request: Request) -> KeyHolder:
    scheme, _, token = request.headers.get("authorization", "").partition(" ")
    shown = [request.headers.get("apikey"), token.strip() if scheme.lower() == "bearer" else None]
    for key in filter(None, shown):
        holder = reports.holder(key)
        if holder is not None:
            return holder
    raise ApiProblem(
        "unauthorized",
        "send one of your API keys as apikey or as Authorization: Bearer",
        headers={"www-authenticate": "Bearer"},
    )
