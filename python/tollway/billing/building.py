"""Building an invoice: what one instant of billing comes to. A preview is built by the same code."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime

from tollway.billing.lines import credit_line, fee_line, late_line, usage_line
from tollway.billing.models import Invoice, InvoiceLine, LineKind, Subscription
from tollway.billing.timeline import BillingInstant, PeriodPart, add_on_fees, billing_instants, with_add_ons
from tollway.billing.usage import UsageOfParts
from tollway.catalog.prices import Price
from tollway.kernel.ids import new_id
from tollway.metering.models import CursorVector

__all__ = ["Bill", "metered_prices", "next_bill"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Bill:
    """An invoice that is due: the instant it bills, and what it takes to build it.

    `closing` and `opening` are the parts that end and begin there, `closed` those that ended before with
    what add-ons covered of them; `billed` are the subscription's invoices so far, in order.
    """

    subscription: Subscription
    sequence: int
    at: datetime
    closing: PeriodPart | None
    opening: PeriodPart | None
    closed: tuple[PeriodPart, ...]
    billed: tuple[Invoice, ...]

    @property
    def closes(self) -> Sequence[PeriodPart]:
        """The part that ends there, and what add-ons covered of it."""
        return () if self.closing is None else tuple(with_add_ons(self.subscription, self.closing))

    def build(self, usage: UsageOfParts | None, now: datetime) -> Invoice | None:
        """Return the draft, or None where there is nothing to say. `usage` is what `read_usage` returned."""
        lines = tuple(self._lines(usage))
        if not lines:
            return None
        start = self.closing.start if self.closing else self.at
        return Invoice(
            id=new_id(),
            mode=self.subscription.mode,
            seller_entity=self.subscription.seller_entity,
            customer=self.subscription.customer,
            subscription=self.subscription.id,
            sequence=self.sequence,
            currency=self.subscription.currency,
            period_start=start,
            period_end=self.at,
            lines=lines,
            created_at=now,
            usage_watermark=usage.watermark if usage else None,
            usage_cursor=usage.cursors if usage else CursorVector(),
        )

    def usage_lines(self, part: PeriodPart, index: int) -> list[InvoiceLine]:
        """Return what was billed of a metered price for a part that closed before."""
        return self._billed_for(part, index, LineKind.USAGE, LineKind.LATE_USAGE)

    def _lines(self, usage: UsageOfParts | None) -> Iterator[InvoiceLine]:
        if self.opening is not None:
            for index, price in _fees(self.opening):
                yield fee_line(self.opening, index, price)
        yield from self._add_on_fees()
        if self.closing is not None:
            yield from self._credits(self.closing)
        if usage is None:
            return
        for part in self.closes:
            for index, price, meter in metered_prices(part):
                yield usage_line(part, index, price, usage.quantity(part, meter))
        for part in self.closed:
            for index, price, meter in metered_prices(part):
                lines = self.usage_lines(part, index)
                after = self.billed[-1].usage_cursor if self.billed else CursorVector()
                held = usage.quantity(part, meter)
                late = late_line(part, index, price, held, billed=lines, after=after)
                if late is not None:
                    yield late

    def _add_on_fees(self) -> Iterator[InvoiceLine]:
        """Yield what add-ons cost that was not billed yet, and give back what was paid beyond a removal.

        One that was added within a period is charged the rest of it here, on the next invoice.
        """
        if self.closing is None and self.opening is None:
            return
        since = self.at if self.closing is None else self.closing.period.start
        for part in add_on_fees(self.subscription, self.at):
            if part.end <= since:
                continue
            for index, price in _fees(part):
                paid = self._billed_for(part, index, LineKind.FEE)
                if not paid:
                    yield fee_line(part, index, price)
                for line in paid:
                    credit = None if part.cancelled else credit_line(part, index, price, line)
                    if credit is not None and not self._given_back(credit):
                        yield credit

    def _given_back(self, credit: InvoiceLine) -> bool:
        return any(
            (line.kind, line.item, line.price_index, line.service_end)
            == (credit.kind, credit.item, credit.price_index, credit.service_end)
            for invoice in self.billed
            for line in invoice.lines
        )

    def _credits(self, closing: PeriodPart) -> Iterator[InvoiceLine]:
        if closing.cancelled:
            return
        for index, price in _fees(closing):
            for paid in self._billed_for(closing, index, LineKind.FEE):
                credit = credit_line(closing, index, price, paid)
                if credit is not None:
                    yield credit

    def _billed_for(self, part: PeriodPart, index: int, *kinds: LineKind) -> list[InvoiceLine]:
        return [
            line
            for invoice in self.billed
            for line in invoice.lines
            if line.kind in kinds
            and (line.phase, line.item, line.service_start) == part.key
            and line.price_index == index
        ]


def next_bill(
    subscription: Subscription, billed: Sequence[Invoice], until: datetime, *, after: int = -1
) -> Bill | None:
    """Return the first bill that is due at or before `until` and comes later than the sequence `after`.

    `billed` are the finalised invoices, in order; a bill is built on all of them. Beyond the end of a
    subscription there is always one more, for what turns up late.
    """
    done = max([after, *(invoice.sequence for invoice in billed)])
    closed: list[PeriodPart] = []
    last: BillingInstant | None = None
    for instant in billing_instants(subscription, until):
        if instant.sequence > done:
            return Bill(
                subscription=subscription,
                sequence=instant.sequence,
                at=instant.at,
                closing=instant.closing,
                opening=instant.opening,
                closed=tuple(closed),
                billed=tuple(billed),
            )
        if instant.closing is not None:
            closed += with_add_ons(subscription, instant.closing)
        last = instant
    if last is None or last.opening is not None or after > last.sequence:
        return None
    return Bill(
        subscription=subscription,
        sequence=max(last.sequence, done) + 1,
        at=last.at,
        closing=None,
        opening=None,
        closed=tuple(closed),
        billed=tuple(billed),
    )


def _fees(part: PeriodPart) -> Iterator[tuple[int, Price]]:
    for index, price in enumerate(part.prices):
        if price.meter is None:
            yield index, price


def metered_prices(part: PeriodPart) -> Iterator[tuple[int, Price, str]]:
    """Yield the metered prices of a part: their index, themselves, their meter."""
    for index, price in enumerate(part.prices):
        if price.meter is not None:
            yield index, price, price.meter
