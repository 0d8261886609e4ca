"""Price models: how a quantity becomes an amount. Rating them is billing's; here is what a seller wrote.

Amounts are `Decimal` in major units of the catalog's currency and never negative; quantities are `Decimal`.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from decimal import Decimal
from enum import StrEnum

__all__ = [
    "ConversionOperation",
    "Dynamic",
    "Flat",
    "Graduated",
    "GraduatedPercentage",
    "Model",
    "ModelName",
    "Package",
    "PackageRounding",
    "PerUnit",
    "Percentage",
    "PercentageTier",
    "Price",
    "QuantityRounding",
    "Terms",
    "Tier",
    "UnitConversion",
    "Volume",
]

_ZERO = Decimal(0)


class ModelName(StrEnum):
    """The price models, as the field `model` names them."""

    FLAT = "flat"
    PER_UNIT = "per_unit"
    GRADUATED = "graduated"
    VOLUME = "volume"
    PACKAGE = "package"
    PERCENTAGE = "percentage"
    GRADUATED_PERCENTAGE = "graduated_percentage"
    DYNAMIC = "dynamic"


class ConversionOperation(StrEnum):
    """What a unit conversion does with the metered quantity."""

    MULTIPLY = "multiply"
    DIVIDE = "divide"


class QuantityRounding(StrEnum):
    """How a converted quantity becomes whole; `HALF_UP` may be written `half_up` too."""

    NONE = "none"
    CEIL = "ceil"
    FLOOR = "floor"
    HALF_UP = "round"


class PackageRounding(StrEnum):
    """Whether a package that was begun is charged (`UP`) or only a full one (`DOWN`)."""

    UP = "up"
    DOWN = "down"


@dataclass(frozen=True, slots=True)
class Flat:
    """One amount, whatever the usage."""

    amount: Decimal


@dataclass(frozen=True, slots=True)
class PerUnit:
    """The same amount for each unit."""

    unit_amount: Decimal


@dataclass(frozen=True, slots=True)
class Tier:
    """A step of a graduated or volume price.

    It reaches up to and including `up_to`; `None` has no end. `tier_cap` bounds what the tier costs: its
    units and its flat fee together.
    """

    up_to: Decimal | None
    unit_amount: Decimal
    flat_amount: Decimal = _ZERO
    tier_cap: Decimal | None = None


@dataclass(frozen=True, slots=True)
class Graduated:
    """Each unit costs what the tier says that it lies in. Tier 1's flat fee is due at zero."""

    tiers: tuple[Tier, ...]


@dataclass(frozen=True, slots=True)
class Volume:
    """Every unit costs what the tier says that the whole quantity lies in."""

    tiers: tuple[Tier, ...]


@dataclass(frozen=True, slots=True)
class Package:
    """Whole packages of `package_size` units, each at `package_amount`."""

    package_size: Decimal
    package_amount: Decimal
    package_rounding: PackageRounding = PackageRounding.UP


@dataclass(frozen=True, slots=True)
class Percentage:
    """A share of each event's amount, with a fixed part for each.

    The free allowance runs over the events in their order and ends at whichever of `free_events` and
    `free_amount` is reached first; one that is `None` does not limit it, both `None` is no allowance.
    """

    rate_percent: Decimal
    fixed_per_event: Decimal = _ZERO
    free_events: Decimal | None = None
    free_amount: Decimal | None = None
    min_per_event: Decimal | None = None
    max_per_event: Decimal | None = None


@dataclass(frozen=True, slots=True)
class PercentageTier:
    """A step of a graduated percentage, up to and including `up_to`."""

    up_to: Decimal | None
    rate_percent: Decimal
    flat_amount: Decimal = _ZERO


@dataclass(frozen=True, slots=True)
class GraduatedPercentage:
    """A share of a base amount, each part of it at its tier's rate."""

    tiers: tuple[PercentageTier, ...]


@dataclass(frozen=True, slots=True)
class Dynamic:
    """What the usage cost the seller, times a factor."""

    multiplier: Decimal = Decimal(1)


Model = Flat | PerUnit | Graduated | Volume | Package | Percentage | GraduatedPercentage | Dynamic


@dataclass(frozen=True, slots=True)
class UnitConversion:
    """Turns metered units into priced ones, e.g. bytes into gigabytes, before anything else."""

    operation: ConversionOperation
    factor: Decimal
    quantity_rounding: QuantityRounding = QuantityRounding.NONE


@dataclass(frozen=True, slots=True)
class Terms:
    """What any model may carry, in the order in which it applies.

    Conversion, less `free_units`, the model, less `percent_discount`, at most `maximum`, at least `minimum`
    (once the period is over).
    """

    unit_conversion: UnitConversion | None = None
    free_units: Decimal = _ZERO
    percent_discount: Decimal = _ZERO
    maximum: Decimal | None = None
    minimum: Decimal | None = None


@dataclass(frozen=True, slots=True)
class Price:
    """A price: a model, its terms, and the name of the meter whose quantity it takes.

    A price without a meter is a recurring fee.
    """

    model: Model
    terms: Terms = field(default_factory=Terms)
    meter: str | None = None
