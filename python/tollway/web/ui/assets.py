"""Static files: read once, named by their content, and therefore kept by browsers for ever."""

from __future__ import annotations

import gzip
import hashlib
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from starlette.requests import Request
from starlette.responses import Response

from tollway.kernel.errors import TollwayError
from tollway.web.ui.brand import LOGO_TYPES, Brand

__all__ = ["STATIC", "Assets"]

STATIC = Path(__file__).parent / "static"
"""The folder of stylesheets, scripts and fonts."""
_TYPES = {
    ".css": "text/css; charset=utf-8",
    ".js": "text/javascript; charset=utf-8",
    ".svg": "image/svg+xml",
    ".png": "image/png",
    ".webp": "image/webp",
}
_FOR_EVER = "public, max-age=31536000, immutable"
_WORTH_PACKING = 1024
# A picture opened by itself is a document: this keeps scripts in it from running.
_CONTENT_POLICY = "default-src 'none'; style-src 'unsafe-inline'; sandbox"


@dataclass(frozen=True, slots=True)
class _Asset:
    content: bytes = field(repr=False)
    media_type: str
    packed: bytes | None = field(repr=False)

    @property
    def digest(self) -> str:
        return hashlib.sha256(self.content).hexdigest()[:16]


class Assets:
    """The files below `static/`, and the brand's colours and logo, each under `/static/DIGEST/NAME`.

    A file that changes has another address, so nobody sees an old style sheet with a new page.
    """

    def __init__(self, brand: Brand) -> None:
        self._assets = {name: _asset(content, suffix) for name, content, suffix in _files()}
        self._assets["brand.css"] = _asset(brand.stylesheet(), ".css")
        self.logo: str | None = None
        if brand.logo is not None:
            suffix = f".{LOGO_TYPES[brand.logo.media_type]}"
            self._assets[f"logo{suffix}"] = _asset(brand.logo.content, suffix)
            self.logo = self.url(f"logo{suffix}")

    def url(self, name: str) -> str:
        """Return a file's address, e.g. of `css/tokens.css`.

        Raises:
            TollwayError: there is no such file.
        """
        asset = self._assets.get(name)
        if asset is None:
            raise TollwayError(f"static file {name!r} is missing; a checkout makes it: scripts/assets.sh")
        return f"/static/{asset.digest}/{name}"

    def answer(self, request: Request, digest: str, name: str) -> Response | None:
        """Return the file, or None where there is none of that content."""
        asset = self._assets.get(name)
        if asset is None or asset.digest != digest:
            return None
        headers = {
            "cache-control": _FOR_EVER,
            "content-security-policy": _CONTENT_POLICY,
            "vary": "accept-encoding",
        }
        content = asset.content
        if asset.packed is not None and "gzip" in request.headers.get("accept-encoding", ""):
            content = asset.packed
            headers["content-encoding"] = "gzip"
        return Response(content, media_type=asset.media_type, headers=headers)


def _files() -> Iterator[tuple[str, bytes, str]]:
    for path in sorted(STATIC.rglob("*")):
        if path.suffix in _TYPES and path.is_file():
            yield path.relative_to(STATIC).as_posix(), path.read_bytes(), path.suffix


def _asset(content: bytes, suffix: str) -> _Asset:
    packed = None
    if suffix in {".css", ".js", ".svg"} and len(content) >= _WORTH_PACKING:
        packed = gzip.compress(content, mtime=0)
    return _Asset(content, _TYPES[suffix], packed)
