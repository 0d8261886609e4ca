"""Everything the console's pages work with. A part that brings a use case adds its field here."""

from __future__ import annotations

from dataclasses import dataclass

from starlette.requests import Request

from tollway.accounts.models import SignedInOperator
from tollway.web.console.ports.operators import Operators
from tollway.web.ui.site import Site

__all__ = ["Console"]


@dataclass(frozen=True, kw_only=True)
class Console:
    """Handed to every page module's `add_pages`; `app/console.py` fills it."""

    site: Site
    operators: Operators

    @staticmethod
    def operator(request: Request) -> SignedInOperator:
        """Return the operator who is signed in; for pages with `Access.SIGNED_IN`."""
        signed = request.state.signed
        assert isinstance(signed, SignedInOperator)
        return signed
