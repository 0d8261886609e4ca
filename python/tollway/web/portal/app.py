"""The portal's ASGI application."""

from __future__ import annotations

from pathlib import Path

from fastapi import FastAPI

from tollway.web import portal as pages
from tollway.web.portal.context import Portal
from tollway.web.portal.filters import FILTERS
from tollway.web.ui.application import create_site_app

__all__ = ["TEMPLATES", "create_portal_app"]

TEMPLATES = Path(__file__).parent / "templates"


def create_portal_app(portal: Portal) -> FastAPI:
    """Make the application from every page module in this package."""
    portal.site.environment.filters.update(FILTERS)
    return create_site_app(portal.site, pages, portal)
