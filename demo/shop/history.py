"""The shop's three months, in one go: what `make serve` shows before anybody has done anything."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime

from demo.shop.cast import CAST, Firm
from demo.shop.past import Past, opening
from demo.shop.people import People
from tollway.app.parties import DetailsChange
from tollway.app.settings import Settings

__all__ = ["Shown", "write_history"]


_SELLER = DetailsChange(name="Atlas Data", address=("1 Quay Street", "Boston"), country="US")


@dataclass(frozen=True, slots=True)
class Shown:
    """A firm that the demo presents, with its API key."""

    firm: Firm
    key: str


def write_history(settings: Settings, upstream_url: str, on_day: Callable[[], None]) -> list[Shown]:
    """Write the past up to now into a new data folder, on which nothing runs yet."""
    now = datetime.now(UTC)
    with Past(settings, opening(now)) as past:
        people = People(past.seller.usage.main, past.clock)
        past.came = people.join
        past.open_shop(upstream_url, _SELLER)

        def evening(day: int) -> None:
            people.write(day)
            on_day()

        past.live(now, evening)
        return [Shown(firm, past.keys[firm.slug]) for firm in CAST]
