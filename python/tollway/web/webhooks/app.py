"""`POST /webhooks/PROVIDER`: a notice is checked over its raw body, kept in the inbox, and answered at once.

What it says is worked on by the worker, so that a slow answer never makes a provider send it again.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Protocol

import structlog
from fastapi import FastAPI, Request
from starlette.concurrency import run_in_threadpool
from starlette.responses import JSONResponse, Response

from tollway.billing.payments.results import ForgedNotice
from tollway.kernel.errors import NotFound

__all__ = ["Receiver", "create_webhook_app"]

_LARGEST_BODY = 1 << 18
log = structlog.get_logger()


class Receiver(Protocol):
    """Where notices go: `tollway.app.notices.Notices`."""

    def receive(self, source: str, body: bytes, headers: Mapping[str, str]) -> bool:
        """Check a notice and keep it; False if it was kept before. Raises `ForgedNotice`, `NotFound`."""


def create_webhook_app(receiver: Receiver) -> FastAPI:
    """Make the application; mount it at `/webhooks` on a listener that providers reach."""
    app = FastAPI(openapi_url=None, docs_url=None, redoc_url=None, redirect_slashes=False)

    async def take(source: str, request: Request) -> Response:
        # The signature is over the bytes as they came: nothing may parse them first.
        body = bytearray()
        async for part in request.stream():
            body += part
            if len(body) > _LARGEST_BODY:
                return _answer(413, "a notice has at most 256 KiB")
        try:
            new = await run_in_threadpool(receiver.receive, source, bytes(body), request.headers)
        except ForgedNotice as forged:
            log.warning("a webhook was refused", source=source, reason=str(forged))
            return _answer(400, "the signature is not ours; check the endpoint's signing secret")
        except NotFound:
            return _answer(404, "no such provider is in use here")
        return _answer(200, "kept" if new else "known")

    app.add_api_route("/{source}", take, methods=["POST"])
    return app


def _answer(status: int, text: str) -> JSONResponse:
    return JSONResponse({"message": text}, status)
