"""Reading a price: the same fields in the catalog file and in `tollway price`."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from decimal import Decimal
from itertools import pairwise

from tollway.catalog.document import Path
from tollway.catalog.fields import Faults, Fields
from tollway.catalog.prices import (
    ConversionOperation,
    Dynamic,
    Flat,
    Graduated,
    GraduatedPercentage,
    Model,
    ModelName,
    Package,
    PackageRounding,
    Percentage,
    PercentageTier,
    PerUnit,
    Price,
    QuantityRounding,
    Terms,
    Tier,
    UnitConversion,
    Volume,
)

__all__ = ["read_price"]

_ZERO, _HUNDRED = Decimal(0), Decimal(100)
_MOST_TIERS = 1000


def read_price(content: object, path: Path, faults: Faults, *, with_meter: bool) -> Price:
    """Read a price and note its faults. `with_meter` allows the field that names its meter."""
    fields = Fields(content, path, faults)
    named = fields.need("model", f"write one of {', '.join(ModelName)}")
    model = None
    if named is not None:
        choice = fields.choice("model", ModelName, ModelName.FLAT)
        # Of an unknown model nobody can tell which fields are wrong.
        model = _READERS[choice](fields) if named == choice else None
    if model is None:
        return Price(Flat(_ZERO))
    terms = _terms(fields)
    meter = fields.name("meter") if with_meter and fields.has("meter") else None
    fields.close()
    return Price(model, terms, meter)


def _terms(fields: Fields) -> Terms:
    discount = fields.decimal("percent_discount") or _ZERO
    if discount > _HUNDRED:
        fields.fault("percent_discount", f"{discount} is more than all of it", "write 0 to 100")
    return Terms(
        unit_conversion=_conversion(fields),
        free_units=fields.decimal("free_units") or _ZERO,
        percent_discount=discount,
        maximum=fields.decimal("maximum"),
        minimum=fields.decimal("minimum"),
    )


def _conversion(fields: Fields) -> UnitConversion | None:
    inner = fields.inner("unit_conversion")
    if inner is None:
        return None
    operation = inner.choice("operation", ConversionOperation, ConversionOperation.MULTIPLY)
    if not inner.has("operation"):
        inner.fault("operation", "missing", f"write one of {', '.join(ConversionOperation)}")
    factor = inner.needed_decimal("factor", above_zero=True)
    if inner.value("quantity_rounding") == "half_up":
        rounding = QuantityRounding.HALF_UP
    else:
        rounding = inner.choice("quantity_rounding", QuantityRounding, QuantityRounding.NONE)
    inner.close()
    return UnitConversion(operation, factor, rounding)


def _flat(fields: Fields) -> Flat:
    return Flat(fields.needed_decimal("amount"))


def _per_unit(fields: Fields) -> PerUnit:
    return PerUnit(fields.needed_decimal("unit_amount"))


def _graduated(fields: Fields) -> Graduated:
    return Graduated(_tiers(fields))


def _volume(fields: Fields) -> Volume:
    return Volume(_tiers(fields))


def _package(fields: Fields) -> Package:
    return Package(
        fields.needed_decimal("package_size", above_zero=True),
        fields.needed_decimal("package_amount"),
        fields.choice("package_rounding", PackageRounding, PackageRounding.UP),
    )


def _percentage(fields: Fields) -> Percentage:
    least, most = fields.decimal("min_per_event"), fields.decimal("max_per_event")
    if least is not None and most is not None and least > most:
        fields.fault("min_per_event", f"{least} is more than max_per_event, {most}", "raise the maximum")
    return Percentage(
        fields.needed_decimal("rate_percent"),
        fixed_per_event=fields.decimal("fixed_per_event") or _ZERO,
        free_events=fields.decimal("free_events"),
        free_amount=fields.decimal("free_amount"),
        min_per_event=least,
        max_per_event=most,
    )


def _graduated_percentage(fields: Fields) -> GraduatedPercentage:
    before, tiers = len(fields.faults), []
    for tier in _tier_fields(fields):
        up_to = tier.decimal("up_to", above_zero=True)
        rate, fee = tier.needed_decimal("rate_percent"), tier.decimal("flat_amount") or _ZERO
        tiers.append(PercentageTier(up_to, rate, fee))
        tier.close()
    if len(fields.faults) == before:
        _check_bounds(fields, [tier.up_to for tier in tiers])
    return GraduatedPercentage(tuple(tiers))


def _dynamic(fields: Fields) -> Dynamic:
    multiplier = fields.decimal("multiplier")
    return Dynamic() if multiplier is None else Dynamic(multiplier)


def _tiers(fields: Fields) -> tuple[Tier, ...]:
    before, tiers = len(fields.faults), []
    for tier in _tier_fields(fields):
        up_to = tier.decimal("up_to", above_zero=True)
        unit_amount, fee = tier.needed_decimal("unit_amount"), tier.decimal("flat_amount") or _ZERO
        tiers.append(Tier(up_to, unit_amount, fee, tier.decimal("tier_cap")))
        tier.close()
    if len(fields.faults) == before:
        _check_bounds(fields, [tier.up_to for tier in tiers])
    return tuple(tiers)


def _tier_fields(fields: Fields) -> list[Fields]:
    fields.need("tiers", "write a list of tiers, the last with up_to: null")
    items = list(fields.items("tiers"))
    if len(items) > _MOST_TIERS:
        fields.fault("tiers", f"{len(items)} tiers", f"write at most {_MOST_TIERS}")
    return [Fields(item, path, fields.faults) for path, item in items[:_MOST_TIERS]]


def _check_bounds(fields: Fields, bounds: Sequence[Decimal | None]) -> None:
    if not bounds:
        fields.fault("tiers", "empty", "write at least one tier, the last with up_to: null")
        return

    def fault(index: int, problem: str, fix: str) -> None:
        fields.faults.add((*fields.path, "tiers", index, "up_to"), problem, fix)

    for index, bound in enumerate(bounds[:-1]):
        if bound is None:
            fault(index, "null in a tier that isn't the last", "write where the tier ends")
    for index, (lower, upper) in enumerate(pairwise(bounds), start=1):
        if lower is not None and upper is not None and upper <= lower:
            fault(index, f"{upper} is not above the tier before it, which ends at {lower}", "let tiers rise")
    if bounds[-1] is not None:
        fault(len(bounds) - 1, f"the last tier ends at {bounds[-1]}", "write null: the last has no end")


_READERS: dict[ModelName, Callable[[Fields], Model]] = {
    ModelName.FLAT: _flat,
    ModelName.PER_UNIT: _per_unit,
    ModelName.GRADUATED: _graduated,
    ModelName.VOLUME: _volume,
    ModelName.PACKAGE: _package,
    ModelName.PERCENTAGE: _percentage,
    ModelName.GRADUATED_PERCENTAGE: _graduated_percentage,
    ModelName.DYNAMIC: _dynamic,
}
