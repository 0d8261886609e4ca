"""Who is on which plan: by size, but for one customer that outgrew Free and hasn't noticed."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from demo.traffic import Line, heaviest

__all__ = ["CATALOG", "FREE_PER_MINUTE", "choose_plans"]

CATALOG = Path(__file__).with_name("catalog.yaml")
FREE_PER_MINUTE = 60
_ENTERPRISE = 2

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
