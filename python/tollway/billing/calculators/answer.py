"""One line in, one line out: reading a question strictly, and answering a faulty one with its fault."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any, NoReturn

from tollway.catalog.document import UnquotedDecimal, path_text
from tollway.catalog.fields import Faults, Fields
from tollway.kernel.errors import InvalidInput

__all__ = ["Answer", "Calculator", "answer_line"]

Answer = dict[str, Any]
Calculator = Callable[[Fields], Answer]
"""Answers a question, without its id; notes faults in the fields or raises `InvalidInput`."""


def answer_line(line: bytes, calculate: Calculator) -> Answer:
    """Answer one question, a JSON object with an `id`; a faulty one is answered `{"id", "error"}`."""
    faults = Faults(lambda path: path_text(path) or "line")
    identity: str | int | None = None
    try:
        fields = Fields(_read(line), (), faults)
        identity = _identity(fields)
        faults.raise_any()
        answer = calculate(fields)
        fields.close()
        faults.raise_any()
    except InvalidInput as error:
        # A stand-in for a faulty field may have made the calculator stumble: the fields' faults come first.
        return {"id": identity, "error": " | ".join(str(fault) for fault in faults.found or (error,))}
    return {"id": identity, **answer}


def _identity(fields: Fields) -> str | int | None:
    value = fields.value("id")
    if value is None or (isinstance(value, str | int) and not isinstance(value, bool)):
        return value
    fields.fault("id", "neither text nor a whole number", 'write "1", say')
    return None


def _read(line: bytes) -> object:
    try:
        return json.loads(
            line.decode(),
            # A float's digits are not what somebody wrote: keep the text, for the error to show.
            parse_float=UnquotedDecimal,
            parse_constant=_no_constant,
            object_pairs_hook=_object,
        )
    except UnicodeDecodeError:
        raise InvalidInput("line", "not UTF-8", "write UTF-8") from None
    except RecursionError:
        raise InvalidInput("line", "nested too deep", "no field needs such depth") from None
    except json.JSONDecodeError as error:
        raise InvalidInput("line", f"not JSON: {error.msg} at character {error.pos + 1}") from None
    except ValueError as error:
        raise InvalidInput("line", str(error)) from None


def _object(pairs: list[tuple[str, object]]) -> dict[str, object]:
    fields = dict(pairs)
    if len(fields) != len(pairs):
        names = [name for name, _ in pairs]
        twice = next(name for name in names if names.count(name) > 1)
        raise ValueError(f"{twice!r} is written twice; keep one")
    return fields


def _no_constant(text: str) -> NoReturn:
    raise ValueError(f"{text} is no JSON; write a decimal in quotes")
