"""What every endpoint works with: units of work, and the gateways that have to hear of a change."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import Any, Protocol

from starlette.requests import Request
from starlette.responses import Response

from tollway.gateway.ports import ConnectedGateways
from tollway.gateway.service import Gateway
from tollway.web.admin.answers import AdminError, Json

__all__ = ["Admin", "Units"]

_WAIT = 10.0  # seconds


class Units(Protocol):
    """Opens units of work; leaving one of `write` checks and commits it."""

    def read(self) -> AbstractContextManager[Gateway]:
        """One consistent view."""

    def write(self) -> AbstractContextManager[Gateway]:
        """One transaction."""


@dataclass(frozen=True)
class Admin:
    """What the endpoints share. `facts` are shown by `GET /`."""

    units: Units
    gateways: ConnectedGateways
    facts: dict[str, Any]

    def read(self, action: Callable[[Gateway], Any]) -> Response:
        """Answer with what `action` finds."""
        with self.units.read() as gateway:
            body = action(gateway)
        return Json(body)

    def write(self, request: Request, status: int, action: Callable[[Gateway], Any]) -> Response:
        """Answer with what `action` made of the configuration, once that is committed.

        With `?wait=1`, once every connected gateway judges by it too.
        """
        with self.units.write() as gateway:
            body = action(gateway)
            version = gateway.version
        if request.query_params.get("wait") in {"1", "true"}:
            waited = self.gateways.wait_applied(version, _WAIT)
            if waited is not None:
                raise AdminError(504, f"stored as version {version}, but {waited}")
        headers = {"x-tollway-config-version": str(version)}
        return Response(status_code=204, headers=headers) if status == 204 else Json(body, status, headers)
