"""Everything the console's pages work with. A part that brings a use case adds its field here."""

from __future__ import annotations

from dataclasses import dataclass

from starlette.requests import Request

from tollway.accounts.models import SignedInOperator
from tollway.kernel.clock import Clock
from tollway.web.console.ports.catalog import Catalogs
from tollway.web.console.ports.customers import Customers
from tollway.web.console.ports.invoices import Invoices
from tollway.web.console.ports.operators import Operators
from tollway.web.console.ports.owners import Owners
from tollway.web.console.ports.revenue import Revenue
from tollway.web.console.ports.routing import Routing
from tollway.web.console.ports.setup import ShopSetup
from tollway.web.console.ports.tickets import Tickets
from tollway.web.console.ports.watch import Watch
from tollway.web.ui.site import Site

__all__ = ["Console"]


@dataclass(frozen=True, kw_only=True)
class Console:
    """Handed to every page module's `add_pages`; `app/console.py` fills it."""

    site: Site
    clock: Clock
    operators: Operators
    revenue: Revenue
    customers: Customers
    catalogs: Catalogs
    routing: Routing
    watch: Watch
    invoices: Invoices
    tickets: Tickets
    owners: Owners
    setup: ShopSetup

    @staticmethod
    def operator(request: Request) -> SignedInOperator:
        """Return the operator who is signed in; for pages with `Access.SIGNED_IN`."""
        signed = request.state.signed
        assert isinstance(signed, SignedInOperator)
        return signed
