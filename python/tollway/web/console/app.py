"""The console's ASGI application."""

from __future__ import annotations

from pathlib import Path

from fastapi import FastAPI

from tollway.web import console as pages
from tollway.web.console.context import Console
from tollway.web.console.formats import FILTERS, GLOBALS
from tollway.web.ui.application import create_site_app

__all__ = ["TEMPLATES", "create_console_app"]

TEMPLATES = Path(__file__).parent / "templates"


def create_console_app(console: Console) -> FastAPI:
    """Make the application from every page module in this package."""
    console.site.environment.filters.update(FILTERS)
    console.site.environment.globals.update(GLOBALS)
    return create_site_app(console.site, pages, console)
