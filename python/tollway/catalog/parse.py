"""Reading a whole catalog: every fault with its file, line, field and fix, and nothing unless all is well."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from itertools import combinations
from types import MappingProxyType
from typing import TypeVar

from tollway.catalog.document import Path, read_document
from tollway.catalog.fields import Faults, Fields
from tollway.catalog.models import (
    BUILT_IN_METER,
    MOST_QUOTAS,
    AddOn,
    Aggregation,
    Catalog,
    CompletionRule,
    Cycle,
    Interval,
    LimitWindow,
    Meter,
    MeterFilter,
    Plan,
    SummedField,
)
from tollway.catalog.price_fields import read_price
from tollway.catalog.prices import Dynamic, Flat, GraduatedPercentage, Percentage, Price
from tollway.kernel.currency import Currency, currency
from tollway.kernel.errors import InvalidInput
from tollway.kernel.zones import time_zone

__all__ = ["parse_catalog", "read_addon", "read_catalog", "read_meter", "read_plan"]

_FORMAT_VERSION = "1.0"
_Named = TypeVar("_Named", bound=Meter | Plan | AddOn)


def parse_catalog(raw: bytes, source: str) -> Catalog:
    """Read a catalog file's content. `source` is the file's name, for errors.

    Raises:
        CatalogFaults: all that is wrong with it.
    """
    document = read_document(raw, source)
    faults = Faults(document.location, document.faults)
    catalog = read_catalog(document.content, faults)
    faults.raise_any()
    return catalog


def read_catalog(content: object, faults: Faults) -> Catalog:
    """Read a catalog from mappings and lists, and note its faults."""
    fields = Fields(content, (), faults)
    version = fields.need("_format_version", f'write _format_version: "{_FORMAT_VERSION}"')
    if version is not None and version != _FORMAT_VERSION:
        fields.fault(
            "_format_version",
            "not a version that is known here",
            f'write "{_FORMAT_VERSION}", with the quotes',
        )
    meters = _named(fields, "meters", lambda item, path: read_meter(item, path, faults))
    known = {meter.name for meter in meters}
    for index, meter in enumerate(meters):
        if meter.name == BUILT_IN_METER and meter.summed is not SummedField.UNITS:
            faults.add(
                ("meters", index, "name"),
                f"{BUILT_IN_METER!r} is the built-in sum of units",
                "take another name, or write aggregation: sum and sum: units to add the gateway's to it",
            )
    plans = _named(fields, "plans", lambda item, path: read_plan(item, path, faults, known))
    addons = _named(fields, "addons", lambda item, path: read_addon(item, path, faults, known))
    for index, plan in enumerate(plans):
        if len(plan.quota) > MOST_QUOTAS:
            many = f"{len(plan.quota)} meters, and {MOST_QUOTAS} is the most"
            faults.add(("plans", index, "quota"), many, "let fewer meters have a quota")
    catalog = Catalog(_currency(fields), meters, plans, addons)
    fields.close()
    return catalog


def read_meter(content: object, path: Path, faults: Faults) -> Meter:
    """Read a meter and note its faults."""
    fields = Fields(content, path, faults)
    name = fields.name("name")
    aggregation = fields.choice("aggregation", Aggregation, Aggregation.COUNT)
    summed = fields.choice("sum", SummedField, SummedField.UNITS) if fields.has("sum") else None
    if aggregation is Aggregation.SUM and not fields.has("sum"):
        fields.fault("sum", "missing", f"write what to add up: one of {', '.join(SummedField)}")
    elif aggregation is Aggregation.COUNT and summed is not None:
        fields.fault("sum", "a count adds nothing up", "write aggregation: sum, or remove the field")
    completion = (
        fields.choice("completion", CompletionRule, CompletionRule.COMPLETE)
        if fields.has("completion")
        else None
    )
    taken = _filter(fields)
    fields.close()
    return Meter(name, aggregation, summed, taken, completion)


def read_plan(content: object, path: Path, faults: Faults, meters: set[str]) -> Plan:
    """Read a plan and note its faults. `meters` are the names of those that there are."""
    fields = Fields(content, path, faults)
    plan = Plan(
        name=fields.name("name"),
        rate_limit=_rate_limit(fields),
        features=frozenset(fields.names("features")),
        quota=_quota(fields, meters),
        prices=_prices(fields, meters),
        interval=fields.choice("interval", Interval, Interval.MONTH),
        billing=fields.choice("billing", Cycle, Cycle.ANNIVERSARY),
        timezone=_time_zone(fields),
    )
    fields.close()
    return plan


def read_addon(content: object, path: Path, faults: Faults, meters: set[str]) -> AddOn:
    """Read an add-on and note its faults. `meters` are the names of those that there are."""
    fields = Fields(content, path, faults)
    addon = AddOn(
        name=fields.name("name"),
        features=frozenset(fields.names("features")),
        prices=_prices(fields, meters),
        quota=_quota(fields, meters),
    )
    fields.close()
    return addon


def _named(fields: Fields, kind: str, read: Callable[[object, Path], _Named]) -> tuple[_Named, ...]:
    found: dict[str, _Named] = {}
    for where, item in fields.items(kind):
        value = read(item, where)
        if value.name in found and value.name:
            fields.faults.add((*where, "name"), f"{value.name!r} is the name of an earlier one", "rename one")
        found[value.name] = value
    return tuple(found.values())


def _currency(fields: Fields) -> Currency:
    code = fields.need("currency", 'write an ISO 4217 code, e.g. "USD"')
    if code is not None:
        try:
            return currency(code)
        except InvalidInput as error:
            fields.fault("currency", error.problem, error.fix)
    return currency("USD")


def _time_zone(fields: Fields) -> str:
    name = fields.value("timezone")
    if name is None:
        return "UTC"
    try:
        return time_zone(name).key
    except InvalidInput as error:
        fields.fault("timezone", error.problem, error.fix)
        return "UTC"


def _filter(fields: Fields) -> MeterFilter:
    inner = fields.inner("filter")
    if inner is None:
        return MeterFilter()
    statuses = set()
    for where, value in inner.items("status"):
        text = str(value) if isinstance(value, int) and not isinstance(value, bool) else value
        if isinstance(text, str) and _is_status(text):
            statuses.add(text)
        else:
            inner.faults.add(where, "no status", 'write a class ("2xx") or a code ("404")')
    methods = inner.names("method")
    for index, method in enumerate(methods):
        if not (method.isascii() and method.isupper()):
            inner.faults.add(
                (*inner.path, "method", index), f"{method!r} is no method", "write it in capitals: GET"
            )
    routes = inner.names("route")
    inner.close()
    return MeterFilter(frozenset(statuses), frozenset(methods), frozenset(routes))


def _is_status(text: str) -> bool:
    return len(text) == 3 and text[0] in "12345" and (text[1:] == "xx" or (text.isascii() and text.isdigit()))


def _rate_limit(fields: Fields) -> Mapping[LimitWindow, int]:
    inner = fields.inner("rate_limit")
    if inner is None:
        return MappingProxyType({})
    limits = {window: inner.whole(window, least=1) for window in LimitWindow if inner.has(window)}
    for shorter, longer in combinations(limits, 2):
        if limits[longer] < limits[shorter]:
            inner.fault(
                longer,
                f"{limits[longer]} a {longer} is less than {limits[shorter]} a {shorter}",
                "a longer window allows at least as much as a shorter one",
            )
    for window in LimitWindow:
        inner.value(window)
    inner.close()
    return MappingProxyType(limits)


def _quota(fields: Fields, meters: set[str]) -> Mapping[str, int]:
    inner = fields.inner("quota")
    if inner is None:
        return MappingProxyType({})
    quota = {}
    for name in inner.keys():  # noqa: SIM118 - `Fields` is no mapping
        quota[name] = inner.whole(name, least=0)
        if name not in meters:
            inner.fault(name, f"there is no meter {name!r}", _known_meters(meters))
    return MappingProxyType(quota)


def _prices(fields: Fields, meters: set[str]) -> tuple[Price, ...]:
    prices = []
    for path, item in fields.items("prices"):
        before = len(fields.faults)
        price = read_price(item, path, fields.faults, with_meter=True)
        if len(fields.faults) == before:
            _check_price(price, path, fields.faults, meters)
        prices.append(price)
    return tuple(prices)


def _check_price(price: Price, path: Path, faults: Faults, meters: set[str]) -> None:
    """Note what makes a price right in itself but wrong in a plan."""
    model, terms = price.model, price.terms
    if isinstance(model, Percentage | GraduatedPercentage | Dynamic):
        faults.add((*path, "model"), "no meter measures amounts of money", "use a model by quantity")
    elif isinstance(model, Flat):
        if price.meter is not None:
            faults.add((*path, "meter"), "a flat price takes no meter", "remove it")
        if terms.unit_conversion is not None or terms.free_units:
            name = "unit_conversion" if terms.unit_conversion is not None else "free_units"
            faults.add((*path, name), "a flat price has no units", "remove it")
    elif price.meter is None:
        faults.add((*path, "meter"), "missing", _known_meters(meters))
    elif price.meter not in meters and price.meter != BUILT_IN_METER:
        faults.add((*path, "meter"), f"there is no meter {price.meter!r}", _known_meters(meters))
    if terms.minimum is not None and terms.maximum is not None and terms.minimum > terms.maximum:
        faults.add((*path, "minimum"), f"above the maximum, {terms.maximum}", "lower it or raise the maximum")


def _known_meters(meters: Sequence[str] | set[str]) -> str:
    return f"write one of {', '.join(sorted(meters))}" if meters else "define it under meters first"
