"""Stories of a customer and of a seller, and every page of the shop, in a browser."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.e2e.browser import chromium, tab
from tests.support.past import PastShop, past_shop

__all__ = ["chromium", "past", "tab"]


@pytest.fixture(scope="package")
def past(tmp_path_factory: pytest.TempPathFactory) -> Iterator[PastShop]:
    """The shop with three months of past, written once for all that look at it."""
    with past_shop(tmp_path_factory.mktemp("past")) as shop:
        yield shop
