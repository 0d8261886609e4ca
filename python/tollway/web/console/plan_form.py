"""A plan as a form: from a plan to fields, and from what was typed to a plan, with each fault at its field.

What is typed is brought into the catalog file's shape and read by the catalog's own reader, so the form takes
what a file takes and refuses what a file is refused for. A price's model is chosen when the price is added:
each shows the fields that it has, and the page needs no script for it.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from tollway.catalog.canonical import meter_data, plan_data
from tollway.catalog.document import Path
from tollway.catalog.fields import Faults
from tollway.catalog.models import Catalog, LimitWindow, Meter, Plan
from tollway.catalog.parse import read_catalog
from tollway.catalog.prices import Graduated, ModelName, Volume
from tollway.kernel.currency import Currency
from tollway.kernel.errors import InvalidInput

__all__ = ["MODELS", "WINDOWS", "PlanFields", "PriceFields", "fits", "initial_fields"]

MODELS: Mapping[str, str] = {
    ModelName.FLAT.value: "Flat fee",
    ModelName.PER_UNIT.value: "Per unit",
    ModelName.GRADUATED.value: "Graduated tiers",
    ModelName.VOLUME.value: "Volume tiers",
    ModelName.PACKAGE.value: "Packages",
}
"""The models that a plan's price may have, as pages call them."""

WINDOWS = tuple(window.value for window in LimitWindow)

_MOST_PRICES, _MOST_TIERS = 10, 10
"""What one form shows; larger plans are edited as a file."""

_SIMPLE = ("name", "interval", "billing", "timezone")
_OWN: Mapping[str, tuple[str, ...]] = {
    "flat": ("amount",),
    "per_unit": ("unit_amount",),
    "graduated": (),
    "volume": (),
    "package": ("package_size", "package_amount", "package_rounding"),
}
_TERMS = ("free_units", "percent_discount", "maximum", "minimum")
_CONVERSION = ("operation", "factor", "quantity_rounding")
_TIER = ("up_to", "unit_amount", "flat_amount", "tier_cap")
_FLAT_TERMS = ("percent_discount", "maximum", "minimum")


@dataclass(frozen=True, slots=True)
class PriceFields:
    """One price of the form: its row, its model, and how many tiers it shows."""

    row: int
    model: str
    tiers: int

    @property
    def terms(self) -> tuple[str, ...]:
        """The optional fields that it has."""
        return _FLAT_TERMS if self.model == ModelName.FLAT else _TERMS

    @property
    def tiered(self) -> bool:
        """Whether it has tiers."""
        return self.model in {ModelName.GRADUATED, ModelName.VOLUME}

    @property
    def label(self) -> str:
        """What its model is called."""
        return MODELS[self.model]

    def wanted_terms(self, fields: PlanFields) -> bool:
        """Whether one of the optional fields has something in it, or something wrong."""
        keys = [self.key(name) for name in (*self.terms, *_CONVERSION)]
        return any(fields.value(key).strip() or fields.error(key) for key in keys)

    def key(self, name: str) -> str:
        """Return a field's name in the form."""
        return f"p{self.row}.{name}"

    def tier_key(self, tier: int, name: str) -> str:
        """Return the name of a tier's field in the form."""
        return f"p{self.row}.t{tier}.{name}"


class PlanFields:
    """What was typed, by field, and what is wrong with it; templates use it as they use a `Form`.

    `apply` adds and removes rows, `read` makes the plan.
    """

    def __init__(self, values: Mapping[str, str], meters: Sequence[Meter]) -> None:
        self.meters = meters
        self.errors: dict[str, str] = {}
        self._values = dict(values)
        count = _whole(self._values.get("prices", "0"), _MOST_PRICES)
        self.prices = [row for row in map(self._row, range(count)) if row is not None]

    def value(self, name: str) -> str:
        """Return what stands in a field."""
        return self._values.get(name, "")

    def error(self, name: str) -> str | None:
        """Return what is wrong with a field."""
        return self.errors.get(name)

    @property
    def metered(self) -> Sequence[str]:
        """The meters that prices take, each once."""
        named = (self.value(row.key("meter")) for row in self.prices if row.model != ModelName.FLAT)
        return list(dict.fromkeys(name for name in named if name))

    def apply(self, act: str) -> bool:
        """Do what a button in the form asks for: `add-MODEL`, `remove-ROW`, `tier-ROW`, `untier-ROW`.

        Returns False where `act` is none of them.
        """
        verb, _, what = act.partition("-")
        if verb == "add" and what in MODELS and len(self.prices) < _MOST_PRICES:
            row = PriceFields(len(self.prices), what, 2 if what in {"graduated", "volume"} else 0)
            self._values[row.key("model")] = what
            if self.meters and what != "flat":
                self._values[row.key("meter")] = self.meters[0].name
            self.prices.append(row)
            return True
        if verb not in {"remove", "tier", "untier"} or not what.isdigit() or int(what) >= len(self.prices):
            return False
        row = self.prices[int(what)]
        if verb == "remove":
            self._remove(row)
        else:
            tiers = max(1, min(_MOST_TIERS, row.tiers + (1 if verb == "tier" else -1)))
            self.prices[row.row] = PriceFields(row.row, row.model, tiers)
        return True

    def read(self, currency: Currency) -> Catalog | None:
        """Return a catalog of the meters and this plan, or None where something is wrong: see `errors`."""
        content = {
            "_format_version": "1.0",
            "currency": currency.code,
            "meters": [meter_data(meter) for meter in self.meters],
            "plans": [self._content()],
        }
        faults = Faults(_field_of)
        catalog = read_catalog(content, faults)
        for fault in faults.found:
            self.errors.setdefault(fault.location, _told(fault))
        return None if self.errors else catalog

    def _content(self) -> dict[str, Any]:
        plan: dict[str, Any] = {
            name: self.value(name).strip() for name in _SIMPLE if self.value(name).strip()
        }
        limits = {window: _number(self.value(f"rate.{window}")) for window in WINDOWS}
        quota = {meter.name: _number(self.value(f"quota.{meter.name}")) for meter in self.meters}
        plan["rate_limit"] = {window: limit for window, limit in limits.items() if limit is not None}
        plan["quota"] = {meter: limit for meter, limit in quota.items() if limit is not None}
        plan["features"] = [text.strip() for text in self.value("features").splitlines() if text.strip()]
        plan["prices"] = [self._price(row) for row in self.prices]
        return plan

    def _price(self, row: PriceFields) -> dict[str, Any]:
        price: dict[str, Any] = {"model": row.model} | self._given(row, (*_OWN[row.model], *row.terms))
        if row.model != ModelName.FLAT:
            price |= self._given(row, ("meter",))
            conversion = self._given(row, _CONVERSION)
            if conversion:
                price["unit_conversion"] = conversion
        if row.tiered:
            price["tiers"] = [self._tier(row, tier) for tier in range(row.tiers)]
        return price

    def _tier(self, row: PriceFields, tier: int) -> dict[str, Any]:
        given = {name: self.value(row.tier_key(tier, name)).strip() for name in _TIER}
        return {name: text for name, text in given.items() if text}

    def _given(self, row: PriceFields, names: Iterable[str]) -> dict[str, Any]:
        given = {name: self.value(row.key(name)).strip() for name in names}
        return {name: text for name, text in given.items() if text}

    def _row(self, row: int) -> PriceFields | None:
        model = self.value(f"p{row}.model")
        if model not in MODELS:
            return None
        return PriceFields(row, model, _whole(self.value(f"p{row}.tiers"), _MOST_TIERS))

    def _remove(self, gone: PriceFields) -> None:
        """Take a price away; those after it move up."""
        kept: dict[str, str] = {}
        for name, text in self._values.items():
            found = re.fullmatch(r"p([0-9]{1,2})\.(.+)", name)
            if found is None or int(found[1]) < gone.row:
                kept[name] = text
            elif int(found[1]) > gone.row:
                kept[f"p{int(found[1]) - 1}.{found[2]}"] = text
        rest = [row for row in self.prices if row is not gone]
        self.prices = [PriceFields(index, row.model, row.tiers) for index, row in enumerate(rest)]
        self._values = kept


def fits(plan: Plan) -> bool:
    """Whether a form can show all of a plan."""
    tiers = (len(price.model.tiers) for price in plan.prices if isinstance(price.model, Graduated | Volume))
    return len(plan.prices) <= _MOST_PRICES and max(tiers, default=0) <= _MOST_TIERS


def initial_fields(plan: Plan) -> dict[str, str]:
    """Return the fields of a form that shows a plan as it is."""
    values = {
        "name": plan.name,
        "interval": plan.interval.value,
        "billing": plan.billing.value,
        "timezone": plan.timezone,
        "features": "\n".join(sorted(plan.features)),
        "prices": str(len(plan.prices)),
    }
    values |= {f"rate.{window.value}": str(limit) for window, limit in plan.rate_limit.items()}
    values |= {f"quota.{meter}": str(limit) for meter, limit in plan.quota.items()}
    prices: Any = plan_data(plan).get("prices", [])
    for row, price in enumerate(prices):
        for name, content in price.items():
            if name == "tiers":
                values[f"p{row}.tiers"] = str(len(content))
                for index, tier in enumerate(content):
                    values |= {f"p{row}.t{index}.{field}": text or "" for field, text in tier.items()}
            elif name == "unit_conversion":
                values |= {f"p{row}.{field}": text for field, text in content.items()}
            else:
                values[f"p{row}.{name}"] = content
    return values


def _field_of(path: Path) -> str:
    """Name the form's field for a place in the catalog's content."""
    match path:
        case ("plans", 0, "prices", int(row), "tiers", int(tier), str(name)):
            field = f"p{row}.t{tier}.{name}"
        case ("plans", 0, "prices", int(row), "tiers"):
            field = f"p{row}.t0.up_to"
        case ("plans", 0, "prices", int(row), "unit_conversion", str(name)) | (
            "plans",
            0,
            "prices",
            int(row),
            str(name),
        ):
            field = f"p{row}.{name}"
        case ("plans", 0, "rate_limit", str(window)):
            field = f"rate.{window}"
        case ("plans", 0, "quota", str(meter)):
            field = f"quota.{meter}"
        case ("plans", 0, str(name), *_):
            field = name
        case _:
            field = str(path[-1]) if path else "name"
    return field


def _told(fault: InvalidInput) -> str:
    if fault.problem == "missing":
        return "Fill this in."
    text = fault.problem + (f"; {fault.fix}" if fault.fix else "")
    return f"{text[:1].upper()}{text[1:]}."


def _number(text: str) -> int | str | None:
    """A whole number where it is one; otherwise what was typed, which the catalog's reader refuses."""
    stripped = text.strip().replace(",", "")
    if not stripped:
        return None
    return int(stripped) if stripped.isascii() and stripped.isdigit() and len(stripped) < 18 else stripped


def _whole(text: str, most: int) -> int:
    return min(int(text), most) if text.isascii() and text.isdigit() and len(text) < 5 else 0
