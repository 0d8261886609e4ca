"""API keys: rotation with an overlap, which Kong's API hasn't."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager
from datetime import datetime, timedelta
from typing import Annotated
from uuid import UUID

from fastapi import APIRouter
from pydantic import BaseModel, ConfigDict, Field

from tollway.gateway.service import Gateway
from tollway.web.api.problem import parsed_id

__all__ = ["keys_router"]

_OVERLAP = 30 * 24 * 3600


class RotationIn(BaseModel):
    """How to rotate a key."""

    model_config = ConfigDict(extra="forbid")

    expire_old_after: Annotated[
        int, Field(strict=True, ge=0, le=_OVERLAP, description="Seconds for which the old key still works.")
    ]


class RotatedOut(BaseModel):
    """A key and its successor: both work until `old_expires_at`, then the new one alone."""

    id: UUID
    key: Annotated[str, Field(description="The new key. Nobody can read it again, you included.")]
    old_id: UUID
    old_expires_at: datetime


def keys_router(write: Callable[[], AbstractContextManager[Gateway]]) -> APIRouter:
    """Make the routes; `write` opens a unit of work on the gateway."""
    router = APIRouter(tags=["keys"])

    # Takes no `Idempotency-Key`: its answer would keep the new key in the database. Sent twice it is refused,
    # since the old key has an end by then.
    @router.post("/keys/{key_id}/rotate", status_code=201, summary="Make a successor for an API key")
    def rotate(key_id: str, body: RotationIn) -> RotatedOut:
        with write() as gateway:
            rotation = gateway.key_auths.rotate(
                parsed_id(key_id, "key"), timedelta(seconds=body.expire_old_after)
            )
            shown = gateway.key_auths.reveal(rotation.new)
        assert rotation.old.expires_at is not None  # it has just been given an end
        return RotatedOut(
            id=rotation.new.id, key=shown, old_id=rotation.old.id, old_expires_at=rotation.old.expires_at
        )

    return router
