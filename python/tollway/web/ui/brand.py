"""What a seller's pages are called and look like; the content folder's `portal.yaml` is read into it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from urllib.parse import urlsplit

from tollway.kernel.errors import InvalidInput

__all__ = ["Brand", "Link", "Logo"]

LOGO_TYPES = {"image/svg+xml": "svg", "image/png": "png", "image/webp": "webp"}
"""What a logo may be, with the file name's ending that it is served under."""

_LARGEST_LOGO = 200_000
_SCHEMES = {"http", "https", "mailto"}


@dataclass(frozen=True, slots=True)
class Link:
    """A link that the seller sets: to a page of ours (`/guides`), or anywhere by http, https or mailto.

    Raises:
        InvalidInput: the target would be something else, such as a script.
    """

    label: str
    href: str

    def __post_init__(self) -> None:
        # `//host` and `/\\host` are another host's pages to a browser.
        ours = self.href.startswith("/") and not self.href.startswith(("//", "/\\"))
        if not ours and urlsplit(self.href).scheme.lower() not in _SCHEMES:
            raise InvalidInput(
                f"links.{self.label}", f"{self.href!r} can't be linked", "write /path, https://… or mailto:…"
            )


@dataclass(frozen=True, slots=True)
class Logo:
    """A picture of 24 by 24 CSS pixels, beside the name.

    Raises:
        InvalidInput: it is too large, or of a kind that pages don't show.
    """

    content: bytes = field(repr=False)
    media_type: str

    def __post_init__(self) -> None:
        if self.media_type not in LOGO_TYPES:
            raise InvalidInput("logo", f"{self.media_type} is not shown", f"use {', '.join(LOGO_TYPES)}")
        if len(self.content) > _LARGEST_LOGO:
            raise InvalidInput("logo", f"{len(self.content)} bytes are too many", f"at most {_LARGEST_LOGO}")


@dataclass(frozen=True, slots=True, kw_only=True)
class Brand:
    """A seller's name, colours, links and texts.

    `name` is what the shop is called, `company` who stands behind it (in the footer). `hue` (0 to 360) and
    `chroma` (0 to 0.16) colour everything that is the reader's to act on; lightness is fixed, so every text
    stays readable. `texts` replaces wording by the name that a template gives it (`text("signup.title", …)`).

    Raises:
        InvalidInput: names the value that is wrong.
    """

    name: str = "Tollway"
    company: str | None = None
    tagline: str | None = None
    logo: Logo | None = None
    hue: float = 218
    chroma: float = 0.082
    language: str = "en"
    header_links: tuple[Link, ...] = ()
    footer_links: tuple[Link, ...] = ()
    terms: Link | None = None
    privacy: Link | None = None
    texts: Mapping[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if not self.name.strip() or len(self.name) > 60:
            raise InvalidInput("name", "empty or too long", "write 1 to 60 characters")
        if not 0 <= self.hue <= 360:
            raise InvalidInput("hue", f"{self.hue} is no hue", "write 0 to 360")
        if not 0 <= self.chroma <= 0.16:
            raise InvalidInput("chroma", f"{self.chroma} is out of range", "write 0 to 0.16")

    def text(self, name: str, default: str) -> str:
        """Return the seller's own wording of `name`, or the default."""
        return self.texts.get(name, default)

    def stylesheet(self) -> bytes:
        """Return the style sheet that sets the seller's colours."""
        return f":root{{--brand-hue:{self.hue:g};--brand-chroma:{self.chroma:g}}}\n".encode()
