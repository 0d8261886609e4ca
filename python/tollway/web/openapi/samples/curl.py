"""curl, as a POSIX shell takes it."""

from __future__ import annotations

import shlex

from tollway.web.openapi.samples.request import SampleRequest

__all__ = ["curl_sample"]


def curl_sample(request: SampleRequest) -> str:
    """Write the request as a command for a shell."""
    has_body = request.body is not None
    first = "curl"
    if request.method == "HEAD":
        first += " --head"
    elif request.method != ("POST" if has_body else "GET"):
        first += f" -X {request.method}"
    lines = [f"{first} {shlex.quote(request.url)}"]
    for name, value in request.headers:
        # A header without a value is written with a semicolon: with a colon, curl would leave it out.
        lines.append(f"-H {_quoted(f'{name}: {value}' if value else f'{name};')}")
    if request.body is not None:
        # --data-raw, because --data takes a body that begins with @ for a file's name.
        lines.append(f"--data-raw {_quoted(request.body)}")
    return " \\\n  ".join(lines)


def _quoted(value: str) -> str:
    return "'" + value.replace("'", "'\"'\"'") + "'"
