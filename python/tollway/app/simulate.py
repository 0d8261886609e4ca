"""The simulator: what a price list would have billed on an access log.

The whole log is one unprorated period. Each consumer seen owes the plan's fees, and every line of its bill
is rounded as an invoice rounds it, by the same code.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path

from tollway.billing.rating.models import Facts
from tollway.billing.rating.rate import rate
from tollway.catalog.models import BUILT_IN_METER, Aggregation, Catalog, Meter, Plan, SummedField
from tollway.catalog.parse import parse_catalog
from tollway.catalog.prices import Price
from tollway.kernel.currency import Currency
from tollway.kernel.errors import InvalidInput, NotFound
from tollway.kernel.money import Money, total
from tollway.metering.access_log.tally import ConsumerField, RequestKind, Tally, tally_log

__all__ = ["ConsumerBill", "Simulation", "simulate"]


@dataclass(frozen=True, slots=True)
class ConsumerBill:
    """What one consumer would have paid: the sum of its rounded lines.

    `billable` counts the requests that a meter of the plan takes, those that cost nothing included.
    """

    consumer: str
    requests: int
    billable: int
    amount: Money


@dataclass(frozen=True, slots=True)
class Simulation:
    """What a plan would have billed, the highest bill first."""

    currency: Currency
    lines_read: int
    lines_rejected: int
    faults: tuple[InvalidInput, ...]
    total: Money
    consumers: tuple[ConsumerBill, ...]


def simulate(
    *,
    access_log: Path,
    plans: Path,
    plan: str,
    consumer_field: ConsumerField,
    progress: Callable[[int], object] = lambda _read: None,
) -> Simulation:
    """Rate an access log by a plan of a catalog file. `progress` is told the bytes of the log read so far.

    Raises:
        InvalidInput: a file can't be read, or a meter counts what an access log doesn't tell.
        NotFound: the catalog has no such plan.
    """
    try:
        catalog = parse_catalog(plans.read_bytes(), str(plans))
    except OSError as error:
        raise InvalidInput(str(plans), error.strerror or "can't be read", "name a catalog file") from None
    chosen = catalog.plan(plan)
    if chosen is None:
        known = ", ".join(sorted(each.name for each in catalog.plans))
        raise NotFound("plan", plan, f"{plans} has {known or 'none'}")
    bills = _Bills(catalog, chosen, str(plans))
    tally = tally_log(access_log, consumer_field, progress)
    consumers = sorted(bills.all(tally), key=lambda bill: (-bill.amount.minor, -bill.requests, bill.consumer))
    return Simulation(
        currency=catalog.currency,
        lines_read=tally.lines_read,
        lines_rejected=tally.lines_rejected,
        faults=tuple(tally.faults),
        total=total((bill.amount for bill in consumers), catalog.currency),
        consumers=tuple(consumers),
    )


class _Bills:
    """Bills of one plan. Consumers with the same quantity pay the same, so each is rated once."""

    def __init__(self, catalog: Catalog, plan: Plan, source: str) -> None:
        self._currency = catalog.currency
        self._prices = plan.prices
        names = {price.meter for price in plan.prices if price.meter is not None}
        if BUILT_IN_METER in names and catalog.meter(BUILT_IN_METER) is None:
            raise InvalidInput(
                f"{source}: meter {BUILT_IN_METER}",
                "no access log tells what is reported from elsewhere",
                "simulate a plan without it",
            )
        self._meters = [meter for meter in catalog.meters if meter.name in names]
        for meter in self._meters:
            problem = _untold(meter)
            if problem is not None:
                raise InvalidInput(f"{source}: meter {meter.name}", problem, "simulate a plan without it")
        if not self._meters:
            # A plan of fees alone still tells apart what its catalog would meter.
            self._meters = [meter for meter in catalog.meters if _untold(meter) is None]
        self._rated: dict[tuple[int, int], Money] = {}

    def all(self, tally: Tally) -> Iterator[ConsumerBill]:
        for consumer, kinds in tally.requests.items():
            yield self._bill(consumer, kinds)

    def _bill(self, consumer: str, kinds: Mapping[RequestKind, int]) -> ConsumerBill:
        quantities = dict.fromkeys((meter.name for meter in self._meters), 0)
        billable = 0
        for kind, number in kinds.items():
            taken = False
            for meter in self._meters:
                if meter.filter.matches(status=kind.status, method=kind.method):
                    quantities[meter.name] += number
                    taken = True
            billable += number if taken else 0
        lines = (
            self._line(index, price, quantities[price.meter] if price.meter is not None else 0)
            for index, price in enumerate(self._prices)
        )
        return ConsumerBill(consumer, sum(kinds.values()), billable, total(lines, self._currency))

    def _line(self, index: int, price: Price, quantity: int) -> Money:
        line = self._rated.get((index, quantity))
        if line is None:
            rated = rate(price, Facts(quantity=Decimal(quantity)), self._currency)
            line = self._rated[index, quantity] = Money.rounded(rated.amount, self._currency)
        return line


def _untold(meter: Meter) -> str | None:
    """Say what a meter needs that no access log tells: billing without it would look right and be wrong."""
    if meter.filter.route:
        return "its filter.route needs routes, which an access log doesn't name"
    if meter.aggregation is Aggregation.SUM and meter.summed is not SummedField.UNITS:
        return f"it sums {meter.summed}, which an access log doesn't tell"
    return None
