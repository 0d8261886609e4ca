"""JavaScript, with fetch: browsers, Node, Deno and Bun alike, as a module."""

from __future__ import annotations

import json

from tollway.web.openapi.samples.literal import Notation
from tollway.web.openapi.samples.request import SampleRequest

__all__ = ["javascript_literal", "javascript_sample"]


def javascript_sample(request: SampleRequest) -> str:
    """Write the request as a JavaScript module."""
    fields = [] if request.method == "GET" else [f"  method: {_text(request.method)},"]
    if request.headers:
        fields.append(f"  headers: {javascript_literal(dict(request.headers), 1)},")
    if request.has_json:
        fields.append(f"  body: JSON.stringify({javascript_literal(request.json_body, 1)}),")
    elif request.body is not None:
        fields.append(f"  body: {_text(request.body)},")
    options = ", {\n" + "\n".join(fields) + "\n}" if fields else ""
    answer = "json" if request.answers_json else "text"
    return (
        f"const response = await fetch({_text(request.url)}{options});\n"
        f"console.log(response.status, await response.{answer}());"
    )


def javascript_literal(value: object, depth: int = 0) -> str:
    """Write a JSON value as JavaScript does."""
    return _NOTATION.literal(value, depth)


def _name(name: str) -> str:
    # Written plainly, this one name would set the object's prototype.
    return f"[{_text(name)}]" if name == "__proto__" else _text(name)


def _text(value: str) -> str:
    """Write a text in double quotes; what can't be seen, and what ends a line, is written as an escape."""
    return "".join(
        character if character.isprintable() else json.dumps(character)[1:-1]
        for character in json.dumps(value, ensure_ascii=False)
    )


_NOTATION = Notation(indent="  ", padding=" ", text=_text, name=_name, rest=json.dumps)
