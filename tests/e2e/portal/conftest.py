"""A portal in a browser."""

from tests.e2e.browser import chromium, tab

__all__ = ["chromium", "tab"]
