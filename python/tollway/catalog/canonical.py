"""The canonical form: one way to write what was read, so that equal things have equal hashes.

It is what is stored: defaults are left out, numbers lose the zeros at their end, sets are ordered. Reading it
back gives an equal value, and a plan whose hash changes is a new version of it.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import MISSING, fields
from decimal import Decimal
from enum import StrEnum
from hashlib import sha256
from typing import TypeVar

from tollway.catalog.document import Path
from tollway.catalog.fields import Faults
from tollway.catalog.models import AddOn, Meter, MeterFilter, Plan
from tollway.catalog.parse import read_addon, read_meter, read_plan
from tollway.catalog.price_fields import read_price
from tollway.catalog.prices import (
    Dynamic,
    Flat,
    Graduated,
    GraduatedPercentage,
    Model,
    ModelName,
    Package,
    Percentage,
    PercentageTier,
    PerUnit,
    Price,
    Tier,
    UnitConversion,
    Volume,
)
from tollway.kernel.exact import to_text

__all__ = [
    "addon_data",
    "addon_from_data",
    "content_hash",
    "meter_data",
    "meter_from_data",
    "plan_data",
    "plan_from_data",
    "price_data",
    "price_from_data",
]

_MODEL_NAMES: dict[type[Model], ModelName] = {
    Flat: ModelName.FLAT,
    PerUnit: ModelName.PER_UNIT,
    Graduated: ModelName.GRADUATED,
    Volume: ModelName.VOLUME,
    Package: ModelName.PACKAGE,
    Percentage: ModelName.PERCENTAGE,
    GraduatedPercentage: ModelName.GRADUATED_PERCENTAGE,
    Dynamic: ModelName.DYNAMIC,
}
_Value = TypeVar("_Value")


def content_hash(data: dict[str, object]) -> str:
    """Return the SHA-256 of canonical data, in hexadecimal."""
    return sha256(json.dumps(data, sort_keys=True, separators=(",", ":")).encode()).hexdigest()


def price_data(price: Price) -> dict[str, object]:
    """Return a price as JSON types, in the catalog file's shape."""
    data: dict[str, object] = {"model": _MODEL_NAMES[type(price.model)].value}
    if price.meter is not None:
        data["meter"] = price.meter
    return data | _set_fields(price.model) | _set_fields(price.terms)


def price_from_data(data: object) -> Price:
    """Read what `price_data` wrote."""
    return _back(data, lambda content, path, faults: read_price(content, path, faults, with_meter=True))


def meter_data(meter: Meter) -> dict[str, object]:
    """Return a meter as JSON types, in the catalog file's shape."""
    data = _set_fields(meter)
    if "summed" in data:
        data["sum"] = data.pop("summed")
    return data


def meter_from_data(data: object) -> Meter:
    """Read what `meter_data` wrote."""
    return _back(data, read_meter)


def plan_data(plan: Plan) -> dict[str, object]:
    """Return a plan as JSON types, in the catalog file's shape."""
    return _set_fields(plan)


def plan_from_data(data: object) -> Plan:
    """Read what `plan_data` wrote; the meters it names are taken to exist."""
    return _back(data, lambda content, path, faults: read_plan(content, path, faults, _AnyName()))


def addon_data(addon: AddOn) -> dict[str, object]:
    """Return an add-on as JSON types, in the catalog file's shape."""
    return _set_fields(addon)


def addon_from_data(data: object) -> AddOn:
    """Read what `addon_data` wrote; the meters it names are taken to exist."""
    return _back(data, lambda content, path, faults: read_addon(content, path, faults, _AnyName()))


class _AnyName(set[str]):
    """A set that has every name: stored data was checked when it was stored."""

    def __contains__(self, _name: object) -> bool:
        return True


def _back(data: object, read: Callable[[object, Path, Faults], _Value]) -> _Value:
    faults = Faults()
    value = read(data, (), faults)
    faults.raise_any()
    return value


def _set_fields(value: object) -> dict[str, object]:
    """Return the fields of a dataclass that differ from their defaults."""
    data = {}
    for field in fields(value):  # type: ignore[arg-type]
        content = getattr(value, field.name)
        default = field.default if field.default_factory is MISSING else field.default_factory()
        if content != default:
            data[field.name] = _plain(content)
    return data


def _plain(value: object) -> object:
    plain: object
    match value:
        case StrEnum():
            plain = value.value
        case Decimal():
            plain = to_text(value)
        case Price():
            plain = price_data(value)
        case Tier() | PercentageTier() | UnitConversion() | MeterFilter():
            plain = _set_fields(value)
        case frozenset():
            plain = sorted(value)
        case tuple():
            plain = [_plain(item) for item in value]
        case Mapping():
            plain = {str(name): value[name] for name in sorted(value)}
        case _:
            assert value is None or isinstance(value, str | int), (
                f"{type(value).__name__} has no canonical form"
            )
            plain = value
    return plain
