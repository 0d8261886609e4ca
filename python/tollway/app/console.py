"""Wires the console: its use cases over the main database and the gateway's configuration."""

from __future__ import annotations

import sys

from fastapi import FastAPI

from tollway.app.operators import operator_accounts
from tollway.app.shop import Shop
from tollway.app.sites import make_site
from tollway.web.console.app import TEMPLATES, create_console_app
from tollway.web.console.context import Console
from tollway.web.ui.brand import Brand

__all__ = ["console_app"]


def console_app(shop: Shop) -> FastAPI:
    """Make the console."""
    settings = shop.settings
    operators = operator_accounts(shop)
    token = operators.prepare_setup()
    if token is not None:
        sys.stdout.write(f"Set up the console: {settings.console_origin}/setup?token={token}\n")
        sys.stdout.flush()
    site = make_site(
        settings,
        "console",
        brand=Brand(),
        identify=operators.identify,
        public_url=settings.console_url,
        folders=[TEMPLATES],
    )
    return create_console_app(Console(site=site, operators=operators))
