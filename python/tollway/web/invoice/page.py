"""An invoice as a page that stands alone: no script, no requests; light or dark, wide or narrow."""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal
from functools import cache
from pathlib import Path
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined, Template

from tollway.web.ui.assets import STATIC

__all__ = ["figure", "invoice_page"]


def invoice_page(invoice: Mapping[str, Any]) -> str:
    """Return the HTML of what `invoice_json` returned. Every name and text in it is escaped."""
    return _template().render(invoice=invoice)


def figure(amount: str) -> str:
    """Write a decimal string for people: thousands apart, the minus sign a real one: `−1,234.50`."""
    return format(Decimal(amount), ",f").replace("-", "\N{MINUS SIGN}")


@cache
def _template() -> Template:
    loader = PackageLoader("tollway.web.invoice", ".")
    environment = Environment(loader=loader, autoescape=True, undefined=StrictUndefined, trim_blocks=True)
    environment.filters["figure"] = figure
    sheets = (STATIC / "css" / "tokens.css", Path(__file__).with_name("invoice.css"))
    environment.globals["styles"] = "\n".join(sheet.read_text() for sheet in sheets)  # our own files
    return environment.get_template("invoice.html.j2")
