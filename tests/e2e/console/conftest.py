from tests.e2e.browser import chromium, tab  # noqa: F401  # fixtures
