"""`tollway grants`: what is left of grants once usage has burned them down."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from decimal import Decimal

from tollway.billing.calculators.answer import Answer
from tollway.billing.calculators.moments import read_moment
from tollway.billing.grants.burning import Usage, burn_down
from tollway.billing.grants.models import Grant, Recurrence
from tollway.catalog.document import Path
from tollway.catalog.fields import Fields
from tollway.kernel.exact import to_text

__all__ = ["calculate_grants"]

_STAND_IN = datetime(2000, 1, 1, tzinfo=UTC)
_ZERO = Decimal(0)


class _Times:
    """Reads times and remembers the last of them, which is where the question ends if it doesn't say."""

    def __init__(self, fields: Fields) -> None:
        self._faults = fields.faults
        self.last: datetime | None = None

    def read(self, value: object, path: Path) -> datetime:
        moment = read_moment(value, path, self._faults)
        if moment is None:
            return _STAND_IN
        self.last = moment if self.last is None else max(self.last, moment)
        return moment

    def field(self, fields: Fields, name: str) -> datetime | None:
        """Return a time, None if absent."""
        value = fields.value(name)
        return None if value is None else self.read(value, (*fields.path, name))


def calculate_grants(fields: Fields) -> Answer:
    """Answer `{"balances", "overage"}`; see docs/seller/pricing.md for the question."""
    times = _Times(fields)
    fields.need("start", 'write an instant: "2026-01-01T00:00:00Z"')
    start = times.field(fields, "start") or _STAND_IN
    grants, opening = _grants(fields, start, times)
    fields.need("usage", 'write a list of [time, quantity], e.g. [["2026-01-05T00:00:00Z", "10"]]')
    usage = [_usage(fields, path, item, times) for path, item in fields.items("usage")]
    resets = [times.read(item, path) for path, item in fields.items("resets")]
    until = times.field(fields, "until") or times.last or start
    if until < start:
        fields.fault("until", "before start", "let it be start or later")
    preserve_overage = fields.truth("preserve_overage", default=False)
    fields.faults.raise_any()
    result = burn_down(
        grants,
        start=start,
        until=until,
        opening=opening,
        usage=usage,
        resets=resets,
        preserve_overage=preserve_overage,
    )
    balances = {grant.id: to_text(result.balances[grant.id]) for grant in grants}
    return {"balances": balances, "overage": to_text(result.overage)}


def _grants(fields: Fields, start: datetime, times: _Times) -> tuple[list[Grant], dict[str, Decimal]]:
    """Return the grants, and what those that say so have left at the start."""
    fields.need("grants", 'write a list of {"id", "amount", …}')
    grants: dict[str, Grant] = {}
    opening: dict[str, Decimal] = {}
    for path, item in fields.items("grants"):
        inner = Fields(item, path, fields.faults)
        grant = _grant(inner, start, times)
        if grant.id and grant.id in grants:
            inner.fault("id", f"{grant.id!r} is another grant's too", "give each grant its own")
        grants[grant.id] = grant
        left = inner.decimal("start_balance")
        if left is not None:
            opening[grant.id] = left
        inner.close()
    return list(grants.values()), opening


def _grant(fields: Fields, start: datetime, times: _Times) -> Grant:
    effective_at = times.field(fields, "effective_at") or start
    recurrence = fields.choice("recurrence", Recurrence, Recurrence.MONTHLY)
    recurs, anchor = fields.has("recurrence"), times.field(fields, "recurrence_anchor")
    if anchor is not None and not recurs:
        fields.fault("recurrence_anchor", "of a grant that doesn't recur", "add recurrence, or remove it")
    return Grant(
        id=_identity(fields),
        amount=fields.needed_decimal("amount"),
        effective_at=effective_at,
        priority=_whole(fields, "priority", signed=True) or 0,
        expires_at=_expiry(fields, effective_at),
        voided_at=times.field(fields, "voided_at"),
        recurrence=recurrence if recurs else None,
        recurrence_anchor=anchor,
        min_rollover=fields.decimal("min_rollover") or _ZERO,
        max_rollover=fields.decimal("max_rollover") or _ZERO,
    )


def _identity(fields: Fields) -> str:
    value = fields.need("id", 'write id: "purchased", say')
    if isinstance(value, int) and not isinstance(value, bool):
        return str(value)
    if isinstance(value, str) and value:
        return value
    if value is not None:
        fields.fault("id", "neither text nor a whole number", 'write "purchased", say')
    return ""


def _expiry(fields: Fields, effective_at: datetime) -> datetime | None:
    days = _whole(fields, "expires_after_days")
    if days is None:
        return None
    try:
        return effective_at + timedelta(days=days)
    except OverflowError:
        fields.fault("expires_after_days", f"{days} days end after the year 9999", "leave it out for never")
        return None


def _whole(fields: Fields, name: str, *, signed: bool = False) -> int | None:
    number = fields.decimal(name, signed=signed)
    if number is not None and number != int(number):
        fields.fault(name, f"{number} is not whole", "write a whole number")
    return None if number is None else int(number)


def _usage(fields: Fields, path: Path, item: object, times: _Times) -> Usage:
    if not isinstance(item, list) or len(item) != 2:
        fields.faults.add(path, "not a time and a quantity", 'write ["2026-01-05T00:00:00Z", "10"]')
        return Usage(_STAND_IN, _ZERO)
    return Usage(times.read(item[0], (*path, 0)), fields.decimal_at(item[1], (*path, 1)))
