"""The bulk files, whole or in parts: Range with 206 and 416 by RFC 9110, one range a request."""

from __future__ import annotations

import re

from starlette.requests import Request
from starlette.responses import Response

from demo.upstream.answers import conditional, etag_of, problem_answer

__all__ = ["download"]

_RANGE = re.compile(r"bytes=(\d*)-(\d*)")


def download(request: Request, content: bytes) -> Response:
    """Answer with `content` or the part asked for.

    Anything but one well-formed byte range is ignored, as the RFC wants, and so is a range that `If-Range`
    ties to an older file.
    """
    headers = {"Accept-Ranges": "bytes"}
    wanted = _RANGE.fullmatch(request.headers.get("range", "").replace(" ", ""))
    etag = etag_of(content)
    if wanted is None or wanted[0] == "bytes=-" or request.headers.get("if-range", etag) != etag:
        return conditional(request, Response(content, headers=headers, media_type="text/csv"))
    first, last = _bounds(wanted[1], wanted[2], len(content))
    if first > last:
        return problem_answer(
            416, f"the file has {len(content)} bytes", headers | {"Content-Range": f"bytes */{len(content)}"}
        )
    headers |= {"ETag": etag, "Content-Range": f"bytes {first}-{last}/{len(content)}"}
    return Response(content[first : last + 1], 206, headers, media_type="text/csv")


def _bounds(first: str, last: str, size: int) -> tuple[int, int]:
    """Return the first and last byte meant; first > last where nothing of the file is."""
    if not first:
        return max(0, size - int(last)), size - 1
    return int(first), min(int(last or size), size - 1)
