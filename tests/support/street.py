"""A storefront from the street: with sessions of its own, and a mailbox."""

from __future__ import annotations

from pathlib import Path
from urllib.parse import parse_qsl

from tests.support.mails import Mailbox, link
from tests.support.portal import Storefront, Visitor

__all__ = ["FORM", "PASSWORD", "Street"]

PASSWORD = "a short sentence"
FORM = {
    "organisation": "Meridian Freight",
    "email": "Ines@Meridian.example",
    "password": PASSWORD,
    "terms": "1",
}


class Street(Storefront):
    """A storefront with its own sessions, and a mailbox."""

    def __init__(self, folder: Path) -> None:
        super().__init__(folder)
        self.mailbox = Mailbox()
        # Not the storefront's own stand-in: who is signed in is what is tested.
        object.__setattr__(self.app.state.site, "identify", self.app.state.context.accounts.identify)

    def mail_link(self) -> str:
        return link(self.mailbox.collect(self.world.main, self.clock))

    def signed_up(self, start: str = "/start", **fields: str) -> Visitor:
        """Return a browser in which somebody has just signed up and in."""
        visitor = self.visitor()
        visitor.post("/sign-up", **FORM | fields)
        assert (visitor.status, visitor.location) == (303, "/check-mail")
        path = self.mail_link()
        query = dict(parse_qsl(path.partition("?")[2]))
        visitor.post("/confirm", page=path, **query)
        assert (visitor.status, visitor.location) == (303, start)
        return visitor
