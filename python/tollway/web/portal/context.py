"""Everything the portal's pages work with. A part that brings a use case adds its field here."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from starlette.requests import Request

from tollway.accounts.models import SignedIn
from tollway.web.portal.content.model import Content
from tollway.web.portal.offer.model import Offer, Offers
from tollway.web.portal.ports.accounts import Accounts
from tollway.web.portal.ports.billing import BillingPages
from tollway.web.portal.ports.joining import Joining
from tollway.web.portal.ports.keys import Keys
from tollway.web.portal.ports.organisation import Organisations
from tollway.web.portal.ports.paying import Paying
from tollway.web.portal.ports.tickets import Helpdesk
from tollway.web.portal.ports.trial import Trial
from tollway.web.portal.ports.usage import UsagePages
from tollway.web.ui.site import Site

__all__ = ["Portal"]


@dataclass(frozen=True, kw_only=True)
class Portal:
    """Handed to every page module's `add_pages`; `app/portal.py` fills it.

    `content` is what the seller wrote, `offers` what is for sale, both as they are now;
    `trial` sends the calls of try-it.
    `proxy_url` is where API clients send their calls; None where it is whatever host they call the portal by,
    with `proxy_scheme` and `proxy_port`. `mail_folder` is where mails go while no mail server is set.
    """

    site: Site
    proxy_url: str | None
    proxy_scheme: str
    proxy_port: int
    accounts: Accounts
    joining: Joining
    keys: Keys
    organisations: Organisations
    now: Callable[[], datetime]
    mail_folder: Path | None
    helpdesk: Helpdesk
    usage: UsagePages
    billing: BillingPages
    paying: Paying
    content: Callable[[], Content] = Content
    offers: Offers = Offer
    trial: Trial | None = None

    def api_url(self, request: Request) -> str:
        """Return where API clients send their calls, without a slash at the end."""
        return self.proxy_url or f"{self.proxy_scheme}://{request.url.hostname}:{self.proxy_port}"

    @staticmethod
    def member(request: Request) -> SignedIn:
        """Return who is signed in, and the organisation they act for; for pages with `Access.SIGNED_IN`.

        Every object that a page shows or changes is looked up through `member.organisation`.
        """
        signed = request.state.signed
        assert isinstance(signed, SignedIn)
        return signed
