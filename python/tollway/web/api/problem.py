"""Refusals as problem documents (RFC 9457): what, why, and what to do next."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Annotated
from uuid import UUID

import structlog
from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from pydantic import BaseModel, Field
from starlette.exceptions import HTTPException
from starlette.responses import Response
from starlette.types import Scope

from tollway.gateway.errors import EntityNotFound, KongError
from tollway.kernel.errors import Conflict, InvalidInput, NotFound, TollwayError
from tollway.kernel.idempotency import AnswerLost, KeyInFlight, KeyReused
from tollway.kernel.ids import new_id
from tollway.web.api.codes import CODES

__all__ = [
    "BASE",
    "ApiProblem",
    "FieldFault",
    "Problem",
    "add_problem_handlers",
    "parsed_id",
    "problem_response",
    "request_id",
]

BASE = "/tollway/v1"
"""Where the API is mounted."""
_BY_STATUS = {code.status: name for name, code in reversed(list(CODES.items()))}
_OF_PATH = ("not_found", "method_not_allowed")
_REQUEST_ID = "tollway.request_id"

_log = structlog.get_logger(__name__)


class FieldFault(BaseModel):
    """What is wrong with one value of a request."""

    location: Annotated[
        str, Field(description="Where: `body.plan`, `query.limit`, `header.Idempotency-Key`.")
    ]
    message: str
    fix: Annotated[str, Field(description="What to write instead; empty where the message says it.")] = ""


class Problem(BaseModel):
    """A refusal, as RFC 9457 has it."""

    type: Annotated[str, Field(description="A page about the code, relative to this server.")]
    title: str
    status: int
    detail: str
    code: Annotated[str, Field(description="For programs; never changes.")]
    request_id: Annotated[str, Field(description="Also in `X-Request-Id`; name it when you ask for help.")]
    errors: Sequence[FieldFault] = ()


class ApiProblem(TollwayError):
    """A refusal that is no domain's: its code is one of `CODES`."""

    def __init__(
        self,
        code: str,
        detail: str,
        *,
        errors: Sequence[FieldFault] = (),
        headers: Mapping[str, str] | None = None,
    ) -> None:
        super().__init__(detail)
        self.code = code
        self.errors = errors
        self.headers = headers


def request_id(scope: Scope) -> str:
    """Return the id of this request, given once."""
    found: str = scope.setdefault(_REQUEST_ID, new_id().hex)
    return found


def problem_response(
    scope: Scope,
    code: str,
    detail: str,
    *,
    errors: Sequence[FieldFault] = (),
    headers: Mapping[str, str] | None = None,
) -> Response:
    """Return the answer that says a problem."""
    known, id_ = CODES[code], request_id(scope)
    body = Problem(
        type=f"{BASE}/errors/{code}",
        title=known.title,
        status=known.status,
        detail=detail,
        code=code,
        request_id=id_,
        errors=errors,
    )
    # What is quoted of a request may be what no encoding has; JSON can escape it.
    text = json.dumps(body.model_dump(), ensure_ascii=False, separators=(",", ":"))
    return Response(
        text.encode(errors="backslashreplace"),
        status_code=known.status,
        media_type="application/problem+json",
        headers={"x-request-id": id_, **(headers or {})},
    )


def add_problem_handlers(app: FastAPI) -> None:
    """Have an application answer every error with a problem document."""
    app.add_exception_handler(TollwayError, _tollway_error)
    app.add_exception_handler(RequestValidationError, _unreadable)
    app.add_exception_handler(HTTPException, _http_error)
    app.add_exception_handler(Exception, _unexpected)


def _tollway_error(request: Request, error: Exception) -> Response:
    scope = request.scope
    if isinstance(error, ApiProblem):
        return problem_response(scope, error.code, str(error), errors=error.errors, headers=error.headers)
    code = next((code for kind, code in _CODES.items() if isinstance(error, kind)), "internal_error")
    if code == "internal_error":
        # Faults of the installation, such as keys encrypted under another secret.
        _log.error("API request failed", problem=str(error), request_id=request_id(scope))
    headers = {"retry-after": "1"} if code == "idempotency_in_flight" else None
    return problem_response(scope, code, str(error), errors=_faults(error), headers=headers)


_CODES: dict[type[Exception], str] = {
    InvalidInput: "invalid_request",
    NotFound: "not_found",
    EntityNotFound: "not_found",
    KeyReused: "idempotency_key_reused",
    KeyInFlight: "idempotency_in_flight",
    AnswerLost: "idempotency_answer_lost",
    Conflict: "conflict",
    KongError: "invalid_request",
}
"""What a domain's error is here: the first that fits."""


def _faults(error: Exception) -> list[FieldFault]:
    match error:
        case InvalidInput():
            return [FieldFault(location=error.location, message=error.problem, fix=error.fix)]
        case KongError():
            return [FieldFault(location=str(k), message=str(v)) for k, v in error.fields.items()]
    return []


def _unreadable(request: Request, error: Exception) -> Response:
    assert isinstance(error, RequestValidationError)
    faults = [
        FieldFault(
            location=".".join(str(step) for step in fault["loc"]),
            message=str(fault["msg"]).removeprefix("Value error, "),
        )
        for fault in error.errors()
    ]
    detail = "; ".join(f"{fault.location}: {fault.message}" for fault in faults)
    return problem_response(request.scope, "invalid_request", detail, errors=faults)


def _http_error(request: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)
    code = _BY_STATUS.get(
        error.status_code, "invalid_request" if error.status_code < 500 else "internal_error"
    )
    detail = f"{request.method} {request.url.path}: {error.detail}" if code in _OF_PATH else str(error.detail)
    return problem_response(request.scope, code, detail, headers=error.headers)


def _unexpected(request: Request, _error: Exception) -> Response:
    # Starlette raises it on after this answer, so that the server logs it with its traceback.
    return problem_response(request.scope, "internal_error", "an unexpected error occurred")


def parsed_id(text: str, kind: str) -> UUID:
    """Return an id out of a path; one that can't be an id names nothing.

    Raises:
        NotFound: as for an id that nothing has.
    """
    try:
        return UUID(text)
    except ValueError:
        raise NotFound(kind, text) from None
