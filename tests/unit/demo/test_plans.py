"""What the demo says of its prices is what its catalog says."""

from __future__ import annotations

from demo.plans import CATALOG, FREE_PER_MINUTE, price_list
from tollway.catalog.parse import parse_catalog


def test_the_price_list_is_the_catalogs() -> None:
    assert price_list() == [
        ("free", "nothing", "60 a minute"),
        ("pro", "$49.00 a month + calls in tiers", "1,000 a minute"),
        ("enterprise", "$499.00 a month + calls by the hundred", "none"),
    ]


def test_the_catalog_is_one_that_tollway_takes() -> None:
    catalog = parse_catalog(CATALOG.read_bytes(), CATALOG.name)
    free = next(plan for plan in catalog.plans if plan.name == "free")
    assert dict(free.rate_limit) == {"minute": FREE_PER_MINUTE}
