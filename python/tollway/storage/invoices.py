"""The repository of invoices and their number series."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Mapping, Sequence
from decimal import Decimal
from typing import Any
from uuid import UUID

from sqlalchemy import Connection, Select, bindparam, delete, insert, select, update

from tollway.billing.models import (
    Explanation,
    Invoice,
    InvoiceHead,
    InvoiceLine,
    InvoiceStatus,
    InvoiceSummary,
    LineKind,
    UsageWindow,
)
from tollway.kernel.errors import NotFound
from tollway.kernel.exact import to_text
from tollway.kernel.mode import Mode
from tollway.metering.models import CursorVector
from tollway.storage.parties import details_from_json, details_to_json
from tollway.storage.statements import portions, upsert
from tollway.storage.tables.billing import CUSTOMER, INVOICE, INVOICE_LINE, NUMBER_SERIES, SUBSCRIPTION

__all__ = ["SqlInvoices", "SqlNumberSeries", "summaries", "summary_of"]


class SqlInvoices:
    """`tollway.billing.ports.Invoices` within the transaction of a connection."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    def get(self, invoice: UUID) -> Invoice:
        """See `Invoices.get`."""
        found = self._read(select(INVOICE).where(INVOICE.c.id == invoice))
        if not found:
            raise NotFound("invoice", str(invoice))
        return found[0]

    def numbered(self, number: str) -> Invoice | None:
        """See `Invoices.numbered`."""
        found = self._read(select(INVOICE).where(INVOICE.c.number == number).order_by(INVOICE.c.id))
        return found[0] if found else None

    def of_subscription(self, subscription: UUID) -> Sequence[Invoice]:
        """See `Invoices.of_subscription`."""
        return self.of_subscriptions([subscription])[subscription]

    def of_subscriptions(self, subscriptions: Collection[UUID]) -> Mapping[UUID, Sequence[Invoice]]:
        """See `Invoices.of_subscriptions`."""
        query = select(INVOICE).where(INVOICE.c.subscription_id.in_(subscriptions))
        found: dict[UUID, list[Invoice]] = {subscription: [] for subscription in subscriptions}
        for invoice in self._read(query.order_by(INVOICE.c.sequence)):
            found[invoice.subscription].append(invoice)
        return found

    def heads(self, subscriptions: Collection[UUID]) -> Mapping[UUID, Sequence[InvoiceHead]]:
        """See `Invoices.heads`."""
        c = INVOICE.c
        query = select(c.subscription_id, c.id, c.sequence, c.status).where(
            c.subscription_id.in_(subscriptions)
        )
        found: dict[UUID, list[InvoiceHead]] = {subscription: [] for subscription in subscriptions}
        for row in self._connection.execute(query.order_by(c.sequence)):
            found[row.subscription_id].append(InvoiceHead(row.id, row.sequence, InvoiceStatus(row.status)))
        return found

    def summaries(
        self,
        *,
        mode: Mode | None = None,
        customer: str | None = None,
        status: InvoiceStatus | None = None,
        ids: Collection[UUID] | None = None,
    ) -> Sequence[InvoiceSummary]:
        """See `Invoices.summaries`."""
        query = summaries()
        if mode is not None:
            query = query.where(INVOICE.c.mode == mode.value)
        if customer is not None:
            query = query.where(CUSTOMER.c.name == customer)
        if status is not None:
            query = query.where(INVOICE.c.status == status.value)
        if ids is not None:
            query = query.where(INVOICE.c.id.in_(ids))
        rows = self._connection.execute(query.order_by(INVOICE.c.period_end, INVOICE.c.id))
        return [summary_of(row) for row in rows]

    def add_drafts(self, invoices: Sequence[Invoice], *, replaced: Collection[UUID] = ()) -> None:
        """See `Invoices.add_drafts`."""
        if replaced:
            self._connection.execute(delete(INVOICE_LINE).where(INVOICE_LINE.c.invoice_id.in_(replaced)))
            self._connection.execute(delete(INVOICE).where(INVOICE.c.id.in_(replaced)))
        self._connection.execute(insert(INVOICE), [_draft_values(invoice) for invoice in invoices])
        self._connection.execute(
            insert(INVOICE_LINE),
            [
                {"invoice_id": invoice.id, "position": position, **_line_values(line)}
                for invoice in invoices
                for position, line in enumerate(invoice.lines, start=1)
            ],
        )

    def finalise(self, invoices: Sequence[Invoice]) -> None:
        """See `Invoices.finalise`."""
        self._connection.execute(
            update(INVOICE).where(INVOICE.c.id == bindparam("invoice")),
            [_final_values(invoice) for invoice in invoices],
        )

    def _read(self, query: Select[Any]) -> list[Invoice]:
        rows = self._connection.execute(query).all()
        lines: dict[UUID, list[InvoiceLine]] = defaultdict(list)
        ids = [row.id for row in rows]
        for some in portions(ids):
            found = self._connection.execute(
                select(INVOICE_LINE)
                .where(INVOICE_LINE.c.invoice_id.in_(some))
                .order_by(INVOICE_LINE.c.invoice_id, INVOICE_LINE.c.position)
            )
            for line in found:
                lines[line.invoice_id].append(_line(line))
        return [_invoice(row, lines[row.id]) for row in rows]


def summaries() -> Select[Any]:
    """Return the query of every invoice with its parties' names; `summary_of` reads its rows."""
    return (
        select(INVOICE, CUSTOMER.c.name.label("customer_name"), SUBSCRIPTION.c.consumer_name)
        .join(CUSTOMER, CUSTOMER.c.id == INVOICE.c.customer_id)
        .join(SUBSCRIPTION, SUBSCRIPTION.c.id == INVOICE.c.subscription_id)
    )


def summary_of(row: Any) -> InvoiceSummary:
    """Read a row of `summaries`."""
    return InvoiceSummary(
        id=row.id,
        number=row.number,
        status=InvoiceStatus(row.status),
        mode=Mode(row.mode),
        customer=row.customer_name,
        consumer=row.consumer_name,
        period_start=row.period_start,
        period_end=row.period_end,
        currency=row.currency,
        total=row.total,
        finalised_at=row.finalised_at,
    )


class SqlNumberSeries:
    """`tollway.billing.ports.NumberSeries`: the row is locked until the caller's transaction ends."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    def take(self, seller: UUID, series: str, mode: Mode, count: int = 1) -> int:
        """See `NumberSeries.take`."""
        c = NUMBER_SERIES.c
        first = upsert(self._connection, NUMBER_SERIES).values(
            seller_entity_id=seller, series=series, mode=mode.value, last_number=count
        )
        last: int = self._connection.execute(
            first.on_conflict_do_update(
                index_elements=list(NUMBER_SERIES.primary_key.columns),
                set_={"last_number": c.last_number + count},
            ).returning(c.last_number)
        ).scalar_one()
        return last - count + 1


def _invoice(row: Any, lines: Sequence[InvoiceLine]) -> Invoice:
    return Invoice(
        id=row.id,
        mode=Mode(row.mode),
        seller_entity=row.seller_entity_id,
        customer=row.customer_id,
        subscription=row.subscription_id,
        sequence=row.sequence,
        currency=row.currency,
        period_start=row.period_start,
        period_end=row.period_end,
        lines=tuple(lines),
        created_at=row.created_at,
        usage_watermark=row.usage_watermark,
        usage_cursor=CursorVector.from_json(row.usage_cursor),
        status=InvoiceStatus(row.status),
        number=row.number,
        supplier=None if row.supplier is None else details_from_json(row.supplier),
        recipient=None if row.recipient is None else details_from_json(row.recipient),
        finalised_at=row.finalised_at,
    )


def _draft_values(invoice: Invoice) -> dict[str, Any]:
    return {
        "id": invoice.id,
        "mode": invoice.mode.value,
        "seller_entity_id": invoice.seller_entity,
        "customer_id": invoice.customer,
        "subscription_id": invoice.subscription,
        "sequence": invoice.sequence,
        "status": InvoiceStatus.DRAFT.value,
        "currency": invoice.currency,
        "period_start": invoice.period_start,
        "period_end": invoice.period_end,
        "total": invoice.total,
        "usage_watermark": invoice.usage_watermark,
        "usage_cursor": invoice.usage_cursor.to_json(),
        "created_at": invoice.created_at,
    }


def _final_values(invoice: Invoice) -> dict[str, Any]:
    assert invoice.supplier is not None, "a finalised invoice names its parties"
    assert invoice.recipient is not None, "a finalised invoice names its parties"
    return {
        "invoice": invoice.id,
        "status": InvoiceStatus.FINALISED.value,
        "number": invoice.number,
        "supplier": details_to_json(invoice.supplier),
        "recipient": details_to_json(invoice.recipient),
        "finalised_at": invoice.finalised_at,
    }


def _line_values(line: InvoiceLine) -> dict[str, Any]:
    usage = line.usage
    return {
        "kind": line.kind.value,
        "description": line.description,
        "quantity": line.quantity,
        "unit_amount": line.unit_amount,
        "amount": line.amount,
        "total": line.total,
        "price_index": line.price_index,
        "phase_id": line.phase,
        "item_id": line.item,
        "service_start": line.service_start,
        "service_end": line.service_end,
        "meter": usage.meter if usage else None,
        "usage_start": usage.start if usage else None,
        "usage_end": usage.end if usage else None,
        "usage_after": usage.after.to_json() if usage and usage.after is not None else None,
        "explanation": [
            {
                "description": step.description,
                "quantity": to_text(step.quantity),
                "unit_amount": to_text(step.unit_amount),
                "amount": to_text(step.amount),
            }
            for step in line.explanation
        ],
    }


def _line(row: Any) -> InvoiceLine:
    usage = None
    if row.meter is not None:
        after = None if row.usage_after is None else CursorVector.from_json(row.usage_after)
        usage = UsageWindow(meter=row.meter, start=row.usage_start, end=row.usage_end, after=after)
    return InvoiceLine(
        kind=LineKind(row.kind),
        description=row.description,
        quantity=row.quantity,
        unit_amount=row.unit_amount,
        amount=row.amount,
        total=row.total,
        price_index=row.price_index,
        phase=row.phase_id,
        item=row.item_id,
        service_start=row.service_start,
        service_end=row.service_end,
        usage=usage,
        explanation=tuple(
            Explanation(
                description=step["description"],
                quantity=Decimal(step["quantity"]),
                unit_amount=Decimal(step["unit_amount"]),
                amount=Decimal(step["amount"]),
            )
            for step in row.explanation
        ),
    )
