"""Request bodies: JSON, form or multipart, bounded, as the document that they mean."""

from __future__ import annotations

import json
from collections.abc import AsyncGenerator
from dataclasses import dataclass
from typing import Any
from urllib.parse import parse_qsl

from starlette.datastructures import UploadFile
from starlette.formparsers import MultiPartException, MultiPartParser
from starlette.requests import Request

from tollway.gateway.schema.entity import EntitySchema
from tollway.web.admin import forms
from tollway.web.admin.answers import AdminError

__all__ = ["BODY_LIMIT", "Body", "read_body"]

BODY_LIMIT = 2 * 1024 * 1024
"""Bytes."""

_FIELDS = 1_000


@dataclass(frozen=True, slots=True)
class Body:
    """What was sent. `name` is the field of that name, which says what kind of plugin is meant."""

    json: dict[str, Any] | None = None
    form: forms.FormTree | None = None

    def hint(self) -> dict[str, Any]:
        """Return the document before its types are known: enough to choose a schema by."""
        return self.json if self.json is not None else forms.typed(None, self.form or {})

    def document(self, schema: EntitySchema) -> dict[str, Any]:
        """Return the document."""
        return self.json if self.json is not None else forms.typed(schema.record, self.form or {})


async def read_body(request: Request) -> Body:
    """Read the request's body.

    Raises:
        AdminError: it is too large, not of a type that we read, or not what it says it is.
    """
    raw = await _bounded(request)
    content_type = request.headers.get("content-type", "")
    kind = content_type.partition(";")[0].strip().lower()
    if not raw and kind != "application/json":
        return Body(form={})
    if kind == "application/json":
        return Body(json=_json(raw))
    if kind == "application/x-www-form-urlencoded":
        return Body(form=forms.parse(_urlencoded(raw)))
    if kind == "multipart/form-data":
        return Body(form=forms.parse(await _multipart(request, raw)))
    raise AdminError(
        415,
        f"Unsupported media type {kind or '(none)'!r}: send application/json, "
        "application/x-www-form-urlencoded or multipart/form-data",
    )


async def _bounded(request: Request) -> bytes:
    raw = bytearray()
    async for chunk in request.stream():
        raw += chunk
        if len(raw) > BODY_LIMIT:
            raise AdminError(413, f"Payload too large: a body may have {BODY_LIMIT} bytes")
    return bytes(raw)


def _json(raw: bytes) -> dict[str, Any]:
    def refuse(constant: str) -> Any:
        raise ValueError(constant)

    try:
        document = json.loads(raw, parse_constant=refuse)
    except (ValueError, RecursionError):
        raise AdminError(400, "Cannot parse JSON body") from None
    if not isinstance(document, dict):
        raise AdminError(400, "Cannot parse JSON body")
    return document


def _urlencoded(raw: bytes) -> list[tuple[str, str]]:
    try:
        return parse_qsl(raw.decode("utf-8"), keep_blank_values=True, errors="strict", max_num_fields=_FIELDS)
    except ValueError:
        raise AdminError(
            400, f"Cannot parse form body: it is not UTF-8 or has over {_FIELDS} fields"
        ) from None


async def _multipart(request: Request, raw: bytes) -> list[tuple[str, str]]:
    async def stream() -> AsyncGenerator[bytes, None]:
        yield raw

    parser = MultiPartParser(request.headers, stream(), max_files=_FIELDS, max_fields=_FIELDS)
    try:
        form = await parser.parse()
    except (MultiPartException, KeyError, ValueError):
        raise AdminError(400, "Cannot parse multipart body") from None
    pairs: list[tuple[str, str]] = []
    for name, value in form.multi_items():
        if isinstance(value, UploadFile):
            try:
                pairs.append((name, (await value.read()).decode("utf-8")))
            except ValueError:
                raise AdminError(400, f"Cannot parse multipart body: {name} is not UTF-8") from None
        else:
            pairs.append((name, value))
    await form.close()
    return pairs
