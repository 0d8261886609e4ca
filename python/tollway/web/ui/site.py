"""One site (portal or console): how its pages are rendered, its cookies set and its links made."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

from jinja2 import ChoiceLoader, Environment, FileSystemLoader, StrictUndefined
from starlette.requests import Request
from starlette.responses import HTMLResponse, RedirectResponse, Response

from tollway.web.ui.access import Access, Identify
from tollway.web.ui.assets import Assets
from tollway.web.ui.brand import Brand
from tollway.web.ui.csrf import csrf_token, origin_of
from tollway.web.ui.flash import Flash, pack, unpack
from tollway.web.ui.formats import FILTERS
from tollway.web.ui.marks import icon, ticks

__all__ = ["Banner", "Banners", "NavItem", "Site"]

_TEMPLATES = Path(__file__).parent / "templates"
_A_YEAR = 365 * 24 * 3600


@dataclass(frozen=True, slots=True)
class NavItem:
    """A place in the site's navigation.

    A page whose path is `path` or below it marks it as the present one. `group` is the console's heading.
    """

    label: str
    path: str
    order: int
    access: Access
    group: str = ""


@dataclass(frozen=True, slots=True)
class Banner:
    """What is true on every page until its reader acts: `kind` is `warn` or `bad`."""

    kind: str
    title: str
    text: str
    action: str
    path: str


class Banners(Protocol):
    """Finds what is to stand above every page of whoever is signed in."""

    def __call__(self, request: Request) -> Sequence[Banner]:
        """Return the banners, the most pressing first."""


@dataclass(frozen=True, kw_only=True)
class Site:
    """What every page of a site is made with.

    `key` (32 bytes, secret) signs cookies and form tokens. `public_url` is how readers reach the site, where
    that is set; https makes cookies secure. `folders` hold templates, the first found wins: an operator's own
    folder goes first.
    """

    name: str
    brand: Brand
    assets: Assets
    key: bytes = field(repr=False)
    identify: Identify
    public_url: str | None
    folders: Sequence[Path]
    navigation: list[NavItem] = field(default_factory=list)
    banners: list[Banners] = field(default_factory=list)
    environment: Environment = field(init=False, repr=False)

    def __post_init__(self) -> None:
        environment = Environment(
            loader=ChoiceLoader([FileSystemLoader(folder) for folder in (*self.folders, _TEMPLATES)]),
            autoescape=True,
            undefined=StrictUndefined,
            trim_blocks=True,
            lstrip_blocks=True,
        )
        environment.globals.update(
            brand=self.brand,
            asset=self.assets.url,
            logo=self.assets.logo,
            icon=icon,
            ticks=ticks,
            text=self.brand.text,
            site_name=self.name,
        )
        environment.filters.update(FILTERS)
        object.__setattr__(self, "environment", environment)

    @property
    def secure(self) -> bool:
        """Whether readers come by https alone."""
        return self.public_url is not None and origin_of(self.public_url).startswith("https:")

    def cookie(self, name: str) -> str:
        """Return a cookie's full name: cookies know no ports, so each site's have names of their own."""
        return f"{'__Host-' if self.secure else ''}tollway_{self.name}_{name}"

    def origins(self, request: Request) -> set[str]:
        """Return the origins that the site's own pages have: the public one, and the one just asked."""
        own = {f"{request.url.scheme}://{request.url.netloc}".lower()}
        return own if self.public_url is None else own | {origin_of(self.public_url)}

    def render(self, request: Request, template: str, *, status: int = 200, **context: Any) -> HTMLResponse:
        """Answer with a page."""
        flash = self._flash(request)
        body = self.environment.get_template(template).render(
            request=request,
            path=request.url.path,
            signed=getattr(request.state, "signed", None),
            csrf=csrf_token(request),
            navigation=self._navigation(request),
            banners=[banner for found in self.banners for banner in found(request)],
            flash=flash,
            **context,
        )
        response = HTMLResponse(body, status)
        new_visit = getattr(request.state, "new_visit", None)
        if new_visit is not None:
            self.set_cookie(response, "visit", new_visit, seconds=_A_YEAR)
        if flash is not None:
            self.drop_cookie(response, "flash")
        return response

    def redirect(self, path: str, *, flash: str | None = None, bad: bool = False) -> Response:
        """Send the reader to one of our pages (303), which tells `flash` once."""
        response = RedirectResponse(path, 303)
        if flash is not None:
            self.set_cookie(response, "flash", pack(self.key, Flash(flash, bad)), seconds=120)
        return response

    def set_cookie(self, response: Response, name: str, value: str, *, seconds: int | None) -> None:
        """Set a cookie that scripts can't read; without `seconds` it ends with the browser's session."""
        response.set_cookie(
            self.cookie(name),
            value,
            max_age=seconds,
            secure=self.secure,
            httponly=True,
            samesite="lax",  # strict would forget who is signed in on the way back from a mail or a payment
        )

    def drop_cookie(self, response: Response, name: str) -> None:
        """Take a cookie back."""
        response.delete_cookie(self.cookie(name), secure=self.secure, httponly=True, samesite="lax")

    def _flash(self, request: Request) -> Flash | None:
        value = request.cookies.get(self.cookie("flash"))
        return None if value is None else unpack(self.key, value)

    def _navigation(self, request: Request) -> list[NavItem]:
        signed = getattr(request.state, "signed", None) is not None
        return [item for item in self.navigation if signed or item.access is Access.ANYONE]
