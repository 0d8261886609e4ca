"""The form to try an operation: what stands in it at first, and what was typed."""

from __future__ import annotations

from starlette.requests import Request

from tollway.kernel.errors import InvalidInput
from tollway.web.openapi.call import example_values, field_name
from tollway.web.openapi.model import Operation
from tollway.web.ui.forms import Form

__all__ = ["LARGEST_BODY", "trial_form", "typed_body", "typed_values"]

LARGEST_BODY = 64 * 1024
"""Bytes of a body that can be tried."""


def trial_form(request: Request, operation: Operation) -> Form:
    """Return the form: the file's examples where an operation needs something, or what was posted."""
    initial = example_values(operation)
    if operation.body is not None:
        initial["body"] = operation.body.example
    return Form(request, **initial)


def typed_values(form: Form, operation: Operation) -> dict[str, str]:
    """Return what was typed for each parameter."""
    names = map(field_name, operation.parameters)
    return {name: form.value(name).replace("\r\n", "\n").strip() for name in names}


def typed_body(form: Form) -> str | None:
    """Return the body that was typed. Raises `InvalidInput` where it can't be sent."""
    # Not `value`, which is cut to what stands in a field again.
    body = "".join(form.values("body")[:1]).replace("\r\n", "\n")
    if any("\ud800" <= character <= "\udfff" for character in body):
        raise InvalidInput("body", "half of a character", "write it whole")
    if len(body.encode()) > LARGEST_BODY:
        raise InvalidInput("body", f"more than {LARGEST_BODY:,} bytes", "try it with less")
    return body if body.strip() else None
