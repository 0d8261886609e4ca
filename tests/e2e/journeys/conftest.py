"""Stories of a customer and of a seller, in a browser before real processes."""

from tests.e2e.browser import chromium, tab

__all__ = ["chromium", "tab"]
