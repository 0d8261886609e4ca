"""The console over a seller's world, asked as an operator's browser would.

Sessions are not what is tested with it: the cookie's value names who is signed in.
"""

from __future__ import annotations

from datetime import datetime
from pathlib import Path
from typing import Any

from tests.support.commerce import START
from tests.support.portal import Storefront, Visitor
from tollway.accounts.models import Operator, SignedInOperator
from tollway.app.console import console_app
from tollway.kernel.ids import new_id
from tollway.web.ui.access import Signed

__all__ = ["BackOffice"]

_SIGNED_IN = "tomas"


class BackOffice(Storefront):
    """A storefront with the console behind it; `operator` is the one who works there."""

    def __init__(
        self, folder: Path, now: datetime = START, catalog: str | None = None, **settings: Any
    ) -> None:
        super().__init__(folder, now, catalog, **settings)
        self.operator = Operator(
            id=new_id(), email="tomas@atlas.example", name="Tomas Nagy", password_hash="", created_at=now
        )
        self.console = console_app(self.shop)
        object.__setattr__(self.console.state.site, "identify", self._identify)

    def at_work(self) -> Visitor:
        """Return the operator's browser."""
        return Visitor(self.console, _SIGNED_IN, site="console")

    def stranger(self) -> Visitor:
        """Return the browser of somebody who is not signed in."""
        return Visitor(self.console, site="console")

    def _identify(self, token: str) -> Signed | None:
        return SignedInOperator(operator=self.operator) if token == _SIGNED_IN else None
