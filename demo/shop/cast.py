"""Who the shop's customers are: made-up firms, when they came, how much they call and what they changed."""

from __future__ import annotations

from dataclasses import dataclass

__all__ = ["CAST", "DAYS", "Firm", "Turn"]

DAYS = 92
"""How long the shop has been open."""


@dataclass(frozen=True, slots=True)
class Turn:
    """What a firm does on a day since the opening: takes a plan, an add-on, or leaves."""

    day: int
    plan: str | None = None
    add_on: str | None = None
    leaves: bool = False


@dataclass(frozen=True, slots=True)
class Firm:
    """A customer. `calls` is how many it makes on an ordinary working day once it has settled in."""

    slug: str
    name: str
    country: str
    calls: int
    turns: tuple[Turn, ...]
    card: str = "succeeds"
    night: bool = False
    """Whether machines call around the clock, rather than people at work."""


_NEAREST = "nearest_search"
CAST = (
    Firm("fernweh-maps", "Fernweh Maps GmbH", "DE", 420, (Turn(0, "growth"), Turn(51, "scale"))),
    Firm("paper-planes", "Paper Planes Travel", "US", 260, (Turn(1, "starter"), Turn(33, "growth"))),
    Firm("northwind-freight", "Northwind Freight", "US", 760, (Turn(3, "scale"),), night=True),
    Firm("casa-verde", "Casa Verde Imóveis", "BR", 55, (Turn(6, "starter"),)),
    Firm("quiet-harbour", "Quiet Harbour Weather", "IE", 330, (Turn(8, "growth"),), night=True),
    Firm(
        "tram-and-train", "Tram & Train", "NL", 48, (Turn(12, "starter"), Turn(40, add_on="nearest_search"))
    ),
    Firm("little-atlas", "Little Atlas School", "GB", 9, (Turn(15, "free"),)),
    Firm("kompass-events", "Kompass Events", "AT", 38, (Turn(19, "starter"), Turn(70, leaves=True))),
    Firm("mesa-logistics", "Mesa Logistics", "MX", 610, (Turn(24, "growth"), Turn(60, "scale")), night=True),
    Firm("orchard-insurance", "Orchard Insurance", "US", 240, (Turn(37, "growth"),)),
    Firm("sakura-stays", "Sakura Stays", "JP", 70, (Turn(44, "starter"), Turn(47, add_on="bulk_files"))),
    Firm("gull-and-tide", "Gull & Tide Charter", "NO", 12, (Turn(49, "free"), Turn(71, "starter"))),
    Firm("vista-geo", "Vista Geo Analytics", "ES", 300, (Turn(58, "growth"),), card="declined"),
    Firm("brass-lantern", "Brass Lantern Games", "CA", 66, (Turn(66, "starter"),)),
    Firm("open-field", "Open Field Co-op", "FR", 7, (Turn(79, "free"),)),
    Firm("delta-dispatch", "Delta Dispatch", "US", 190, (Turn(83, "growth"),)),
)
