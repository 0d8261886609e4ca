"""Python, with requests: what most readers have."""

from __future__ import annotations

from tollway.web.openapi.samples.literal import Notation
from tollway.web.openapi.samples.request import SampleRequest

__all__ = ["python_literal", "python_sample"]

_METHODS = frozenset({"GET", "POST", "PUT", "PATCH", "DELETE", "HEAD", "OPTIONS"})


def python_sample(request: SampleRequest) -> str:
    """Write the request as a Python program."""
    known = request.method in _METHODS
    opening = (
        f"requests.{request.method.lower()}(" if known else f'requests.request(\n    "{request.method}",'
    )
    lines = ["import requests", "", f"response = {opening}", f"    {python_literal(request.url)},"]
    headers = [pair for pair in request.headers if not (request.has_json and pair[0] == "Content-Type")]
    if request.has_json and dict(request.headers).get("Content-Type") != "application/json":
        headers = list(request.headers)  # a kind of JSON that requests wouldn't name by itself
    if headers:
        lines.append(f"    headers={_indented(dict(headers))},")
    if request.has_json:
        lines.append(f"    json={_indented(request.json_body)},")
    elif request.body is not None:
        lines.append(f"    data={python_literal(request.body)}.encode(),")
    lines += ["    timeout=10,", ")"]
    answer = "response.json()" if request.answers_json else "response.text"
    lines.append(f"print(response.status_code, {answer})")
    return "\n".join(lines)


def _indented(value: object) -> str:
    return python_literal(value, 1)


def python_literal(value: object, depth: int = 0) -> str:
    """Write a JSON value as Python does."""
    return _NOTATION.literal(value, depth)


def _text(value: str) -> str:
    """Write a text in double quotes; what can't be seen is written as an escape."""
    written = "".join(
        character if character.isprintable() and character not in '"\\' else _escape(character)
        for character in value
    )
    return f'"{written}"'


def _escape(character: str) -> str:
    if character in '"\\':
        return "\\" + character
    return {"\n": "\\n", "\r": "\\r", "\t": "\\t"}.get(character) or f"\\U{ord(character):08x}"


_NOTATION = Notation(indent="    ", padding="", text=_text, name=_text, rest=repr)
