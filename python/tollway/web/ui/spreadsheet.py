"""Cells that spreadsheet programs take for what they are."""

from __future__ import annotations

__all__ = ["safe_cell"]

_ACTING = ("=", "+", "-", "@", "\t", "\r", "\n")


def safe_cell(value: str | int) -> str | int:
    """Return a cell that no spreadsheet program reads as a formula, which could send away what is beside it.

    >>> safe_cell("=HYPERLINK(1)")
    "'=HYPERLINK(1)"
    """
    if isinstance(value, str) and (value.startswith(_ACTING) or value.lstrip().startswith(_ACTING)):
        return f"'{value}"
    return value
