"""What a sample does, whatever its language."""

from __future__ import annotations

import json
from dataclasses import dataclass

from tollway.web.openapi.call import Call
from tollway.web.openapi.operation import is_json

__all__ = ["SampleRequest"]


@dataclass(frozen=True, slots=True)
class SampleRequest:
    """A request with its whole address. Where `has_json`, `json_body` is the body as a value."""

    method: str
    url: str
    headers: tuple[tuple[str, str], ...]
    body: str | None
    json_body: object
    has_json: bool
    answers_json: bool

    @classmethod
    def of(cls, call: Call, origin: str, *, answers_json: bool) -> SampleRequest:
        """Make a sample's request of a call to `origin`."""
        value: object = None
        has_json = False
        media_type = next((held for name, held in call.headers if name == "Content-Type"), "")
        if call.body is not None and is_json(media_type):
            try:
                value = json.loads(call.body)
                has_json = True
            except (ValueError, RecursionError):
                pass
        return cls(
            method=call.method,
            url=origin.rstrip("/") + call.target,
            headers=call.headers,
            body=call.body,
            json_body=value,
            has_json=has_json,
            answers_json=answers_json,
        )
