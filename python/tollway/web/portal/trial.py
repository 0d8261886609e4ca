"""Try-it on each operation: a form that becomes a real call, and its answer explained.

`POST /try/{slug}` takes the form of an operation's page; `POST /try/api` what the explorer would have sent.
Both call operations of the OpenAPI file alone.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any
from urllib.parse import parse_qsl, unquote

from fastapi import Request
from starlette.concurrency import run_in_threadpool
from starlette.exceptions import HTTPException
from starlette.responses import JSONResponse, Response

from tollway.kernel.errors import Conflict, InvalidInput
from tollway.web.openapi.api import Api
from tollway.web.openapi.call import Call, build_call, field_name
from tollway.web.openapi.model import Operation, Parameter, ParameterPlace
from tollway.web.portal.answer import ShownAnswer, shown_answer
from tollway.web.portal.context import Portal
from tollway.web.portal.ports.trial import GatewaySilent, Trial, TrialAnswer
from tollway.web.portal.reference import operation_context
from tollway.web.portal.trial_form import LARGEST_BODY, trial_form, typed_body, typed_values
from tollway.web.ui.access import Access
from tollway.web.ui.routing import Routes

__all__ = ["add_pages"]

_MOST_FIELDS = 200
_PASSED_ON = (
    "content-type",
    "etag",
    "last-modified",
    "location",
    "ratelimit",
    "retry-after",
    "x-kong-",
    "x-ratelimit-",
)
# What an API answers is shown to scripts that asked for it, and is never a page of this site.
_NO_PAGE = {
    "content-security-policy": "default-src 'none'; sandbox",
    "x-content-type-options": "nosniff",
}


def add_pages(routes: Routes, portal: Portal) -> None:
    """Register the pages."""
    trial = portal.trial
    if trial is None:
        return

    def back(slug: str) -> Response:
        return portal.site.redirect(f"/reference/{_known(portal, slug)[1].entry.slug}")

    def send(request: Request, slug: str) -> Response:
        api, operation = _known(portal, slug)
        form = trial_form(request, operation)
        answer: ShownAnswer | None = None
        problem = ""
        try:
            key = trial.key(portal.member(request)) if operation.key is not None else None
            call = build_call(operation, typed_values(form, operation), typed_body(form), key, api.base_path)
            answer = shown_answer(trial.send(call), call, key)
        except InvalidInput as fault:
            form.fault(fault)
        except (Conflict, GatewaySilent) as error:
            problem = str(error)
        context = {
            **operation_context(portal, request, portal.content(), operation),
            "trial": True,
            "form": form,
            "answer": answer,
            "problem": problem,
        }
        if request.headers.get("hx-request") == "true":
            # htmx puts in place only what comes with 200.
            return portal.site.render(request, "portal/_try.html", **context)
        return portal.site.render(request, "portal/operation.html", status=form.status, **context)

    async def pass_on(request: Request) -> Response:
        asked = _asked(await request.body())
        return await run_in_threadpool(_pass_on, portal, trial, request, asked)

    routes.get("/try/{slug}", back, access=Access.ANYONE)
    routes.post("/try/api", pass_on, access=Access.SIGNED_IN)
    routes.post("/try/{slug}", send, access=Access.SIGNED_IN)


def _known(portal: Portal, slug: str) -> tuple[Api, Operation]:
    description = portal.content().description
    operation = description.api.operation(slug) if description is not None else None
    if description is None or operation is None:
        raise HTTPException(404)
    return description.api, operation


def _asked(raw: bytes) -> Mapping[str, Any]:
    """Read what the explorer wants sent: `{"method", "target", "headers", "body"}`."""
    try:
        asked = json.loads(raw[: 2 * LARGEST_BODY + 1])
    except (ValueError, RecursionError):
        asked = None
    fields = ("method", "target")
    if not isinstance(asked, dict) or not all(isinstance(asked.get(name), str) for name in fields):
        raise HTTPException(400, "Send a request as the explorer does.")
    return asked


def _pass_on(portal: Portal, trial: Trial, request: Request, asked: Mapping[str, Any]) -> Response:
    try:
        call = _explored(portal, trial, request, asked)
        answer = trial.send(call)
    except InvalidInput as fault:
        return _refused(400, str(fault))
    except Conflict as conflict:
        return _refused(409, str(conflict))
    except GatewaySilent as silence:
        return _refused(502, str(silence))
    return _raw(answer)


def _explored(portal: Portal, trial: Trial, request: Request, asked: Mapping[str, Any]) -> Call:
    description = portal.content().description
    if description is None:
        raise HTTPException(404)
    api = description.api
    path, _, query = str(asked["target"]).partition("?")
    within = path.removeprefix(api.base_path)
    entry = api.matching(asked["method"], within) if path.startswith(api.base_path) else None
    operation = api.operation(entry.slug) if entry is not None else None
    if operation is None:
        raise InvalidInput("target", "no operation of the OpenAPI file is there", "choose one that it has")
    values = _from_path(operation, within)
    found: dict[str, list[str]] = {}
    if query.count("&") > _MOST_FIELDS:
        raise InvalidInput("target", "too many query parameters", f"send at most {_MOST_FIELDS}")
    for name, value in parse_qsl(query, keep_blank_values=True):
        found.setdefault(f"query.{name}", []).append(value)
    values |= {name: ",".join(several) for name, several in found.items()}
    headers = asked.get("headers")
    given = (
        {str(name).lower(): str(value) for name, value in headers.items()}
        if isinstance(headers, dict)
        else {}
    )
    for parameter in operation.at(ParameterPlace.HEADER):
        values[field_name(parameter)] = given.get(parameter.name.lower(), "")
    body = asked.get("body")
    if body is not None and (not isinstance(body, str) or len(body) > LARGEST_BODY):
        raise InvalidInput("body", "not a text, or too long", f"send at most {LARGEST_BODY:,} characters")
    key = trial.key(portal.member(request)) if operation.key is not None else None
    return build_call(operation, values, body, key, api.base_path)


def _from_path(operation: Operation, path: str) -> dict[str, str]:
    parameters: Mapping[str, Parameter] = {each.name: each for each in operation.at(ParameterPlace.PATH)}
    return {
        field_name(parameters[name]): unquote(value)
        for name, value in operation.entry.variables(path).items()
        if name in parameters
    }


def _raw(answer: TrialAnswer) -> Response:
    headers = {
        name: value.encode("latin-1", "replace").decode("latin-1")
        for name, value in answer.headers
        if name.startswith(_PASSED_ON)
    }
    if 300 <= answer.status < 400 and "location" in headers:
        # The reader's browser would follow it on this site, with the same method and the form's token.
        headers["x-upstream-location"] = headers.pop("location")
    bodiless = answer.status in {204, 304} or answer.status < 200
    return Response(None if bodiless else answer.body, max(answer.status, 200), {**headers, **_NO_PAGE})


def _refused(status: int, problem: str) -> Response:
    return JSONResponse({"message": problem}, status, _NO_PAGE)
