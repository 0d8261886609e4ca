"""What a month would cost, by the rating that writes invoices."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from decimal import ROUND_CEILING, ROUND_FLOOR, ROUND_HALF_UP, Decimal

from tollway.billing.rating.models import Facts
from tollway.billing.rating.rate import rate
from tollway.catalog.models import Plan
from tollway.catalog.prices import Graduated, Package, Volume
from tollway.catalog.versions import PlanVersion
from tollway.kernel.errors import InvalidInput
from tollway.kernel.money import Money, total
from tollway.web.portal.offer.model import Offer
from tollway.web.portal.offer.words import UNLIMITED, included

__all__ = ["Axis", "Estimate", "EstimateLine", "Estimates", "axis", "cheapest", "estimate", "main_meter"]

_STEPS = 1_000
_MOST_DECADES = 6


@dataclass(frozen=True, slots=True)
class EstimateLine:
    """A line as an invoice would have it."""

    description: str
    amount: Money


@dataclass(frozen=True, slots=True)
class Estimate:
    """What one plan would cost. `stops_at` is the quota that is too small for it; then there is no total.

    Both are None where the plan's price needs more than a number of calls.
    """

    plan: PlanVersion
    total: Money | None
    lines: tuple[EstimateLine, ...] = ()
    stops_at: int | None = None


@dataclass(frozen=True, slots=True)
class Axis:
    """The slider's scale: powers of ten from `low` to `high`, `position` 0 to 1000 along it."""

    low: int
    high: int

    def quantity(self, position: int) -> int:
        """Return the number at a position, two digits of it that matter."""
        place = Decimal(min(max(position, 0), _STEPS)) / _STEPS
        exact = Decimal(10) ** (self._low + place * self.decades)
        step = Decimal(10) ** max(0, exact.adjusted() - 1)
        return int((exact / step).quantize(Decimal(1), ROUND_HALF_UP) * step)

    def position(self, quantity: int) -> int:
        """Return where a number stands, 0 to 1000; beyond the ends it is the end."""
        bounded = Decimal(min(max(quantity, self.low), self.high))
        return int(
            ((bounded.log10() - self._low) / self.decades * _STEPS).quantize(Decimal(1), ROUND_HALF_UP)
        )

    @property
    def decades(self) -> int:
        """How many powers of ten it spans."""
        return int(Decimal(self.high).log10()) - self._low

    @property
    def _low(self) -> int:
        return int(Decimal(self.low).log10())


@dataclass(frozen=True, slots=True)
class Estimates:
    """What every plan would cost at one number, and the plan that suits it best."""

    quantity: int
    all: tuple[Estimate, ...]
    best: Estimate | None


def main_meter(offer: Offer) -> str | None:
    """Return the meter that the most plans charge for or limit: what the slider counts."""
    names = [
        name
        for version in offer.plans
        for name in {*(price.meter for price in version.plan.prices if price.meter), *version.plan.quota}
    ]
    return max(sorted(set(names)), key=names.count, default=None)


def estimate(version: PlanVersion, meter: str, quantity: int, unit: str) -> Estimate:
    """Return what a period with that many units of a meter would cost on a plan, and nothing of others."""
    limit = version.plan.quota.get(meter)
    if limit is not None and quantity > limit:
        return Estimate(version, None, stops_at=limit)
    lines: list[EstimateLine] = []
    for price in version.plan.prices:
        facts = Facts(quantity=Decimal(quantity if price.meter == meter else 0))
        try:
            rated = rate(price, facts, version.currency, unit=unit)
        except InvalidInput:
            return Estimate(version, None)
        charged = Money.rounded(rated.amount, version.currency)
        described = [line.description for line in rated.lines if line.amount or len(rated.lines) == 1]
        named = "Plan" if price.meter is None else "; ".join(described)
        lines.append(EstimateLine(named, charged))
    return Estimate(version, total((line.amount for line in lines), version.currency), tuple(lines))


def cheapest(plans: Sequence[PlanVersion], meter: str, quantity: int, units: Mapping[str, str]) -> Estimates:
    """Return what every plan would cost, and the cheapest that allows it; of two, the first."""
    found = tuple(estimate(version, meter, quantity, units.get(meter, "calls")) for version in plans)
    possible = [each for each in found if each.total is not None]
    best = min(possible, key=lambda each: each.total.minor if each.total else 0, default=None)
    return Estimates(quantity, found, best)


def axis(plans: Sequence[PlanVersion], meter: str) -> Axis:
    """Return the scale on which every bound of the plans can be seen."""
    bounds = [bound for version in plans for bound in _bounds(version.plan, meter)] or [Decimal(10_000)]
    low = min(bounds).log10().to_integral_value(ROUND_FLOOR) - 1
    high = max(bounds).log10().to_integral_value(ROUND_CEILING) + 1
    low = max(Decimal(1), low, high - _MOST_DECADES)
    return Axis(int(Decimal(10) ** low), int(Decimal(10) ** max(high, low + 2)))


def _bounds(plan: Plan, meter: str) -> list[Decimal]:
    found = [Decimal(limit) for name, limit in plan.quota.items() if name == meter]
    for price in plan.prices:
        if price.meter != meter:
            continue
        found.append(included(price))
        if isinstance(price.model, Graduated | Volume):
            found += [tier.up_to for tier in price.model.tiers if tier.up_to is not None]
        if isinstance(price.model, Package):
            found.append(price.model.package_size)
    return [bound for bound in found if 1 <= bound < UNLIMITED]
