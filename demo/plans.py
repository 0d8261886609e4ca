"""Who is on which plan: by size, but for one customer that outgrew Free and hasn't noticed."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import yaml

from demo.traffic import Line, heaviest

__all__ = ["CATALOG", "FREE_PER_MINUTE", "SELLER", "choose_plans", "price_list"]

CATALOG = Path(__file__).with_name("catalog.yaml")
SELLER = ("--name", "Atlas Data", "--address", "1 Quay Street", "--address", "Boston", "--country", "US")
FREE_PER_MINUTE = 60
_ENTERPRISE = 2
_BY_USE = {"per_unit": "each call", "graduated": "calls in tiers", "package": "calls by the hundred"}

# The replay takes less than a minute, so it touches at most two of the calendar's minutes: whoever sends
# more than two minutes' allowance is limited, whenever the demo starts.
_CERTAIN = 2 * FREE_PER_MINUTE


def choose_plans(lines: Sequence[Line]) -> dict[str, str]:
    """Return each address's plan.

    Whoever never exceeds Free's limit is on Free; the two largest are on Enterprise, the others on Pro. The
    smallest of those that are certain to exceed the limit is left on Free.
    """
    ranked = heaviest(lines)
    plans = {}
    for rank, (address, requests) in enumerate(ranked):
        if requests <= FREE_PER_MINUTE:
            plans[address] = "free"
        else:
            plans[address] = "enterprise" if rank < _ENTERPRISE else "pro"
    outgrown = [address for address, requests in ranked if requests > _CERTAIN]
    if outgrown:
        plans[outgrown[-1]] = "free"
    return plans


def price_list() -> list[tuple[str, str, str]]:
    """Return (plan, price, limit) of each plan of the catalog, in words."""
    catalog = yaml.safe_load(CATALOG.read_text(encoding="utf-8"))
    return [
        (plan["name"], _price(plan["prices"]), _limit(plan.get("rate_limit"))) for plan in catalog["plans"]
    ]


def _price(prices: list[dict[str, Any]]) -> str:
    fees = [f"${price['amount']} a month" for price in prices if price["model"] == "flat"]
    by_use = [_BY_USE[price["model"]] for price in prices if "meter" in price]
    free = all(price.get("unit_amount") == "0" for price in prices)
    return "nothing" if free else " + ".join(fees + by_use)


def _limit(rate_limit: dict[str, int] | None) -> str:
    return ", ".join(f"{limit:,} a {window}" for window, limit in (rate_limit or {}).items()) or "none"
