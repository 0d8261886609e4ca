"""How an answer is made: JSON with an ETag, 304 for whoever has it already, problem+json for faults."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from http import HTTPStatus
from typing import Any

from starlette.requests import Request
from starlette.responses import Response

__all__ = ["Problem", "conditional", "etag_of", "json_answer", "problem_answer"]


class Problem(Exception):
    """A request this API refuses: `status`, and a `detail` that says what to do about it."""

    def __init__(self, status: int, detail: str) -> None:
        """Refuse with `status` because of `detail`."""
        super().__init__(detail)
        self.status = status
        self.detail = detail


def json_answer(request: Request, payload: Mapping[str, Any]) -> Response:
    """Answer with `payload`, or with 304 where the client holds exactly it."""
    body = json.dumps(payload, ensure_ascii=False, separators=(",", ":")).encode()
    return conditional(request, Response(body, media_type="application/json"))


def conditional(request: Request, answer: Response) -> Response:
    """Give a complete answer its ETag; swap it for a 304 where `If-None-Match` names that ETag."""
    etag = etag_of(bytes(answer.body))
    if _matches(request.headers.get("if-none-match", ""), etag):
        return Response(status_code=304, headers={"ETag": etag})
    answer.headers["ETag"] = etag
    return answer


def problem_answer(status: int, detail: str, headers: Mapping[str, str] | None = None) -> Response:
    """Answer with RFC 9457's form."""
    problem = {
        "type": "about:blank",
        "title": HTTPStatus(status).phrase,
        "status": status,
        "detail": detail,
    }
    return Response(json.dumps(problem).encode(), status, headers, media_type="application/problem+json")


def etag_of(body: bytes) -> str:
    """Return the strong ETag of these very bytes."""
    return f'"{hashlib.blake2b(body, digest_size=10).hexdigest()}"'


def _matches(header: str, etag: str) -> bool:
    candidates = {candidate.strip().removeprefix("W/") for candidate in header.split(",")}
    return "*" in candidates or etag in candidates
