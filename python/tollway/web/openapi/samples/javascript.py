"""JavaScript, with fetch: browsers, Node, Deno and Bun alike, as a module."""

from __future__ import annotations

import json

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
    """Write a JSON value as JavaScript does, inner values on lines of their own where there are several."""
    inner, outer = "  " * (depth + 1), "  " * depth
    if isinstance(value, str):
        return _text(value)
    if isinstance(value, dict) and value:
        rows = [f"{_name(name)}: {javascript_literal(held, depth + 1)}" for name, held in value.items()]
        short = "{ " + ", ".join(rows) + " }"
        if len(rows) == 1 and len(short) + len(outer) < 90 and "\n" not in short:
            return short
        return "{\n" + "".join(f"{inner}{row},\n" for row in rows) + outer + "}"
    if isinstance(value, list) and value:
        rows = [javascript_literal(held, depth + 1) for held in value]
        short = "[" + ", ".join(rows) + "]"
        if len(short) + len(outer) < 80 and "\n" not in short:
            return short
        return "[\n" + "".join(f"{inner}{row},\n" for row in rows) + outer + "]"
    return json.dumps(value)


def _name(name: str) -> str:
    # Written plainly, this one name would set the object's prototype.
    return f"[{_text(name)}]" if name == "__proto__" else _text(name)


def _text(value: str) -> str:
    """Write a text in double quotes; what can't be seen, and what ends a line, is written as an escape."""
    return "".join(
        character if character.isprintable() else json.dumps(character)[1:-1]
        for character in json.dumps(value, ensure_ascii=False)
    )
