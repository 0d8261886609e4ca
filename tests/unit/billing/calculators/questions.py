"""Questions of every kind for the calculators, as somebody would write them in JSON."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from typing import Any

from hypothesis import strategies as st

Question = dict[str, Any]


def decimals(most: int, places: int, least: int = 0) -> st.SearchStrategy[str]:
    """Numbers as text; some are at the edges that rounding cares about."""
    scaled = st.integers(least * 10**places, most * 10**places)
    return scaled.map(
        lambda n: f"{'-' if n < 0 else ''}{abs(n) // 10**places}.{abs(n) % 10**places:0{places}}"
    )


def fields(needed: dict[str, Any], optional: dict[str, Any]) -> st.SearchStrategy[Question]:
    return st.fixed_dictionaries(
        {
            name: value if isinstance(value, st.SearchStrategy) else st.just(value)
            for name, value in needed.items()
        },
        optional=optional,
    )


AMOUNT, QUANTITY, ABOVE_ZERO = (
    decimals(100, 4),
    decimals(3000, 2),
    decimals(500, 2).filter(lambda n: float(n) > 0),
)


@st.composite
def tiers(draw: st.DrawFn, each: str, *, capped: bool) -> list[Question]:
    bounds = sorted(draw(st.sets(ABOVE_ZERO, max_size=4)), key=float)
    more = {"flat_amount": AMOUNT} | ({"tier_cap": AMOUNT} if capped else {})
    return [draw(fields({"up_to": bound, each: AMOUNT}, more)) for bound in (*bounds, None)]


CONVERSION = fields(
    {"operation": st.sampled_from(["multiply", "divide"]), "factor": ABOVE_ZERO},
    {"quantity_rounding": st.sampled_from(["none", "ceil", "floor", "round", "half_up"])},
)
TERMS = {
    "unit_conversion": CONVERSION,
    "free_units": QUANTITY,
    "percent_discount": decimals(100, 2),
    "maximum": decimals(1000, 2),
    "minimum": decimals(200, 2),
}
PER_EVENT = st.tuples(decimals(5, 2), decimals(5, 2)).map(lambda pair: sorted(pair, key=float))
_BY_QUANTITY = {
    "flat": {"amount": AMOUNT},
    "per_unit": {"unit_amount": AMOUNT},
    "graduated": {"tiers": tiers("unit_amount", capped=True)},
    "volume": {"tiers": tiers("unit_amount", capped=True)},
    "package": {"package_size": ABOVE_ZERO, "package_amount": AMOUNT},
}


def _priced(model: str, needed: Question, optional: Question, facts: Question, more: Question) -> Any:
    price = fields({"model": model, **needed}, optional | TERMS)
    currency = st.sampled_from(["JPY", "USD", "BHD", "CLF"])
    billed = decimals(300, 2, -50) | decimals(300, 4)
    return fields(
        {"id": 1, "currency": currency, "price": price, **facts},
        more | {"last": st.booleans(), "previously_billed": billed},
    )


@st.composite
def _percentage(draw: st.DrawFn) -> Question:
    optional = {"fixed_per_event": decimals(2, 2), "free_events": st.integers(0, 4), "free_amount": QUANTITY}
    events = st.lists(decimals(900, 2) | st.just("0"), max_size=8)
    question = draw(
        _priced("percentage", {"rate_percent": decimals(9, 2)}, optional, {"event_amounts": events}, {})
    )
    least, most = draw(PER_EVENT)
    question["price"] |= draw(fields({}, {"min_per_event": st.just(least), "max_per_event": st.just(most)}))
    return question


_previous = {"previous_quantity": QUANTITY}
PRICES: st.SearchStrategy[Question] = st.one_of(
    *(
        _priced(
            model,
            needed,
            {"package_rounding": st.sampled_from(["up", "down"])} if model == "package" else {},
            {"quantity": QUANTITY},
            _previous,
        )
        for model, needed in _BY_QUANTITY.items()
    ),
    *(
        _priced(model, needed, {}, {"bucket_quantities": st.lists(QUANTITY, max_size=4)}, {})
        for model, needed in _BY_QUANTITY.items()
        if model != "flat"
    ),
    _priced(
        "graduated_percentage",
        {"tiers": tiers("rate_percent", capped=False)},
        {},
        {"base_amount": QUANTITY},
        _previous,
    ),
    _priced("dynamic", {}, {"multiplier": decimals(3, 3)}, {"cost": QUANTITY}, {"previous_cost": QUANTITY}),
    _percentage(),
)

# Clocks that jump at midnight, by half an hour, over a whole day, and far from Greenwich on both sides.
ZONES = st.sampled_from([
    "UTC", "Europe/Berlin", "America/New_York", "America/Sao_Paulo", "Australia/Lord_Howe", "Pacific/Apia",
    "Pacific/Kiritimati", "Asia/Tehran", "Africa/Cairo", "America/St_Johns",
])  # fmt: skip
_DAYS = st.dates(date(1990, 1, 1), date(2040, 12, 31)).map(date.isoformat)
_TIMES = st.datetimes(datetime(1990, 1, 1), datetime(2040, 12, 31), timezones=st.just(UTC))  # noqa: DTZ001
_INSTANTS = _TIMES.map(datetime.isoformat) | _TIMES.map(lambda at: f"{at:%Y-%m-%dT%H}:00:00Z")
_INTERVAL = {"id": 1, "interval": st.sampled_from(["day", "week", "month", "quarter", "year"])}
PERIODS: st.SearchStrategy[Question] = st.one_of(
    fields(_INTERVAL | {"anchor": _DAYS, "after": _DAYS}, {"timezone": ZONES}),
    fields(_INTERVAL | {"anchor": _DAYS | _INSTANTS, "after": _INSTANTS}, {"timezone": ZONES}),
)


@st.composite
def prorations(draw: st.DrawFn) -> Question:
    times, basis = draw(st.sampled_from([(_DAYS, "days"), (_INSTANTS, "seconds")]))
    start, end = sorted(draw(st.tuples(times, times).filter(lambda pair: pair[0][:10] != pair[1][:10])))
    question = {"id": 1, "basis": basis, "period_start": start, "period_end": end, "change_at": draw(times)}
    amounts = {
        "currency": st.sampled_from(["JPY", "USD", "BHD", "CLF"]),
        "old_amount": AMOUNT,
        "new_amount": AMOUNT,
    }
    quantity = fields({"quantity": decimals(3000, 3, -3000)}, {"decimals": st.integers(0, 12)})
    return question | draw(fields(amounts, {}) | quantity)


# A few instants, so that several things happen at one of them.
_HOURS = st.integers(0, 24 * 70)
_SPARSE = (_HOURS | st.integers(0, 70).map(lambda day: day * 24)).map(
    lambda hours: (datetime(2024, 1, 5, tzinfo=UTC) + timedelta(hours=hours)).isoformat()
)
_RECURRENCE = {"recurrence": st.sampled_from(["daily", "weekly", "monthly"])}
_GRANT = {
    "effective_at": _SPARSE,
    "priority": st.integers(0, 2),
    "expires_after_days": st.integers(0, 60),
    "start_balance": decimals(150, 1),
    "voided_at": _SPARSE,
    "min_rollover": decimals(150, 1),
    "max_rollover": decimals(150, 1),
}


@st.composite
def grants(draw: st.DrawFn) -> Question:
    ids = draw(st.lists(st.sampled_from("abcdef"), unique=True, max_size=5))
    once, again = fields({"amount": decimals(200, 1)}, _GRANT), {"recurrence_anchor": _SPARSE}
    recurring = fields({"amount": decimals(200, 1)} | _RECURRENCE, _GRANT | again)
    start, until = sorted((draw(_SPARSE), draw(_SPARSE)))
    optional = {"resets": st.lists(_SPARSE, max_size=4), "preserve_overage": st.booleans()}
    usage = st.lists(st.tuples(_SPARSE, decimals(200, 1)).map(list), max_size=8)
    question = draw(fields({"id": 1, "usage": usage}, optional))
    held = [{"id": name, **draw(once | recurring)} for name in ids]
    return question | {"start": start, "until": until, "grants": held}
