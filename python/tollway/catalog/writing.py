"""Writing a catalog as the file that would be read back into the same one."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import yaml

from tollway.catalog.canonical import addon_data, meter_data, plan_data
from tollway.catalog.models import Catalog

__all__ = ["catalog_text"]

_FIRST = ("name", "model", "meter")
"""Fields that say what a thing is: they stand before the others."""


def catalog_text(catalog: Catalog) -> str:
    """Return a catalog file in YAML: defaults left out, decimals in quotes.

    >>> from tollway.kernel.currency import currency
    >>> print(catalog_text(Catalog(currency("USD"))), end="")
    _format_version: '1.0'
    currency: USD
    """
    content: dict[str, Any] = {"_format_version": "1.0", "currency": catalog.currency.code}
    for kind, things in (
        ("meters", map(meter_data, catalog.meters)),
        ("plans", map(plan_data, catalog.plans)),
        ("addons", map(addon_data, catalog.addons)),
    ):
        written = _ordered(things)
        if written:
            content[kind] = written
    return yaml.dump(content, Dumper=_Dumper, sort_keys=False, allow_unicode=True, width=110)


class _Dumper(yaml.SafeDumper):
    """Writes what the strict reader takes: no aliases, and lists set in below their field."""

    def ignore_aliases(self, data: Any) -> bool:  # noqa: ARG002
        """Write a value out wherever it stands."""
        return True

    def increase_indent(self, flow: bool = False, indentless: bool = False) -> None:  # noqa: ARG002, FBT001, FBT002
        """Set lists in."""
        super().increase_indent(flow, False)


def _ordered(things: Iterable[dict[str, object]]) -> list[dict[str, Any]]:
    return [_fields(thing) for thing in things]


def _fields(thing: Any) -> Any:
    if isinstance(thing, list):
        return [_fields(item) for item in thing]
    if not isinstance(thing, dict):
        return thing
    names = [*(name for name in _FIRST if name in thing), *(name for name in thing if name not in _FIRST)]
    return {name: _fields(thing[name]) for name in names}
