"""`Idempotency-Key`: a request that is sent again is carried out once.

A handler that makes money or usage takes `once: Annotated[Once, Depends(Once)]`, and answers

    return once(body, 201, lambda: use_case(body))
"""

from __future__ import annotations

import json
from collections.abc import Callable
from hashlib import sha256
from typing import Annotated

from fastapi import Header, Request
from pydantic import BaseModel
from starlette.responses import Response

from tollway.kernel.idempotency import Answer, Idempotency

__all__ = ["Once"]

_Key = Annotated[
    str | None,
    Header(
        alias="Idempotency-Key",
        min_length=1,
        max_length=255,
        pattern=r"^[\x21-\x7e]+$",
        description="Any text of yours, new for each thing to do. The same request with it is done once.",
    ),
]


class Once:
    """Carries a request out, once for each key; every time where it has none."""

    def __init__(self, request: Request, key: _Key = None) -> None:
        self._key = key
        self._keys: Idempotency = request.app.state.idempotency
        # Who may call is one operator or another with the same token: keys are per path alone.
        self._scope = f"{request.method} {request.url.path}"[:200]
        self._query = request.url.query

    def __call__(self, body: BaseModel | None, status: int, action: Callable[[], BaseModel]) -> Response:
        """Answer with `status` and what `action` returns, or as the first time."""

        def answer() -> Answer:
            return Answer(status, action().model_dump_json().encode())

        if self._key is None:
            given = answer()
        else:
            sent = {} if body is None else body.model_dump(mode="json")
            text = json.dumps([self._query, sent], sort_keys=True)
            fingerprint = sha256(f"{self._scope}\n{text}".encode()).hexdigest()
            given = self._keys.once(self._scope, self._key, fingerprint, answer)
        headers = {"idempotent-replayed": "true"} if given.replayed else {}
        return Response(given.body, given.status, headers, media_type="application/json")
