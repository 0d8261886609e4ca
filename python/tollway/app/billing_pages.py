"""What the portal's billing pages read and do, always for one organisation."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID
from zoneinfo import ZoneInfo

from tollway.accounts.models import Organisation
from tollway.app.charges import charge
from tollway.app.payments import Payments
from tollway.app.previewing import Preview
from tollway.app.shop import Shop
from tollway.billing.errors import PreviewOvertaken, SubscriptionConflict
from tollway.billing.models import Invoice, InvoiceStatus, InvoiceSummary, Subscription
from tollway.billing.payments.models import InvoicePayment
from tollway.billing.subscriptions import Timing
from tollway.billing.timeline import period_at
from tollway.catalog.versions import PlanVersion
from tollway.kernel.currency import currency
from tollway.kernel.errors import InvalidInput, NotFound
from tollway.kernel.instants import format_instant, parse_instant
from tollway.kernel.money import Money
from tollway.kernel.zones import time_zone
from tollway.storage.commerce import Commerce
from tollway.web.invoice.convert import invoice_json
from tollway.web.portal.ports.billing import BillingView, ChangePreview, Charge, HeldAddOn, InvoiceRow

__all__ = ["CustomerBilling"]

_HOLDS = timedelta(minutes=10)
"""How long a preview may be agreed to. What was used meanwhile is charged as well, fees stay to the cent."""


class CustomerBilling:
    """Implements `web.portal.ports.billing.BillingPages`."""

    def __init__(self, shop: Shop, payments: Payments) -> None:
        self._shop = shop
        self._payments = payments

    def view(self, organisation: Organisation) -> BillingView | None:
        """See `BillingPages.view`."""
        try:
            subscription, now = self._present(organisation)
        except (NotFound, SubscriptionConflict):
            return None
        phase = subscription.phase_at(now)
        if phase is None:
            return None
        forecast = self._shop.invoicing.forecast(subscription, now)
        zone = time_zone(phase.plan.plan.timezone)
        following = subscription.phases[phase.position + 1 :]
        return BillingView(
            subscription=subscription,
            plan=phase.plan,
            period=period_at(phase, now),
            zone=zone,
            now=now,
            due=_charges(forecast.due, zone),
            upcoming=None if forecast.upcoming is None else charge(forecast.upcoming, zone),
            upcoming_at=forecast.upcoming_at,
            addons=[HeldAddOn(item.addon.addon.name, item.ends_at) for item in subscription.items_at(now)],
            next_plan=following[0].plan if following else None,
            ends_at=subscription.ends_at,
        )

    def preview_change(self, organisation: Organisation, plan: str) -> ChangePreview:
        """See `BillingPages.preview_change`."""
        return self._preview(organisation, lambda one: self._shop.previewing.preview_change(one, plan))

    def change(self, organisation: Organisation, plan: str, agreed: Mapping[str, str]) -> bool:
        """See `BillingPages.change`."""
        at = self._agreed(agreed, self._plan(plan).label)
        if at is None:
            return False
        with contextlib.suppress(PreviewOvertaken):
            self._shop.subscribing.change(self._own(organisation), plan, at=at)
            return True
        return False

    def preview_add_on(self, organisation: Organisation, name: str) -> ChangePreview:
        """See `BillingPages.preview_add_on`."""
        return self._preview(
            organisation, lambda one: self._shop.previewing.preview_add_on(one, name), addon=name
        )

    def add_on(self, organisation: Organisation, name: str, agreed: Mapping[str, str]) -> bool:
        """See `BillingPages.add_on`."""
        at = self._agreed(agreed, self._addon_label(name))
        if at is None:
            return False
        with contextlib.suppress(PreviewOvertaken):
            self._shop.subscribing.add_on(self._own(organisation), name, at=at)
            return True
        return False

    def preview_removal(self, organisation: Organisation, name: str) -> ChangePreview:
        """See `BillingPages.preview_removal`."""
        return self._preview(
            organisation, lambda one: self._shop.previewing.preview_removal(one, name), addon=name
        )

    def remove_add_on(self, organisation: Organisation, name: str) -> None:
        """See `BillingPages.remove_add_on`."""
        self._shop.subscribing.remove_add_on(self._own(organisation), name)

    def cancel(self, organisation: Organisation) -> datetime:
        """See `BillingPages.cancel`."""
        cancelled = self._shop.subscribing.cancel(self._own(organisation), Timing.PERIOD_END)
        assert cancelled.ends_at is not None
        return cancelled.ends_at

    def invoices(self, organisation: Organisation) -> Sequence[InvoiceRow]:
        """See `BillingPages.invoices`."""
        if organisation.customer is None:
            return []
        with self._shop.main.read() as connection:
            commerce = Commerce(connection, self._shop.clock)
            customer = commerce.parties.customer(organisation.customer)
            found = commerce.invoices.summaries(
                mode=customer.mode, customer=customer.name, status=InvoiceStatus.FINALISED
            )
        states = self._payments.of_invoices([one.id for one in found])
        return [_row(one, states.get(one.id)) for one in reversed(found)]

    def invoice(self, organisation: Organisation, invoice: UUID) -> tuple[InvoiceRow, Mapping[str, Any]]:
        """See `BillingPages.invoice`."""
        with self._shop.main.read() as connection:
            commerce = Commerce(connection, self._shop.clock)
            found = commerce.invoices.get(invoice)
            # A draft may still change, and another customer's is not even there.
            if found.customer != organisation.customer or found.status is not InvoiceStatus.FINALISED:
                raise NotFound("invoice", str(invoice))
            subscription = commerce.subscriptions.get(found.subscription)
            whole = invoice_json(found, subscription, commerce.parties.customer(found.customer).name)
        state = self._payments.of_invoices([invoice]).get(invoice)
        row = _row(found, state)
        return row, whole

    def _preview(
        self, organisation: Organisation, look: Callable[[UUID], Preview], *, addon: str | None = None
    ) -> ChangePreview:
        subscription, now = self._present(organisation)
        preview = look(subscription.id)
        before = subscription.phase_at(now)
        assert before is not None
        zone = time_zone(before.plan.plan.timezone)
        # What is due anyway, such as the first fee of a plan taken a moment ago, isn't the change's.
        anyway = {(one.sequence, one.total) for one in self._shop.invoicing.forecast(subscription, now).due}
        due = [one for one in preview.due_now if one.total and (one.sequence, one.total) not in anyway]
        after = preview.subscription.phase_at(preview.effective_at) or before
        label = after.plan.label if addon is None else self._addon_label(addon)
        return ChangePreview(
            at_once=preview.timing is Timing.NOW,
            effective_at=preview.effective_at,
            due=_charges(due, zone),
            upcoming=None if preview.upcoming is None else charge(preview.upcoming, zone),
            upcoming_at=preview.upcoming_at,
            zone=zone,
            currency=subscription.currency,
            before=before.plan,
            after=after.plan,
            agreed={"at": format_instant(now), "version": label},
        )

    def _agreed(self, agreed: Mapping[str, str], label: str) -> datetime | None:
        """Return the instant of the preview that was agreed to, None where it holds no longer."""
        try:
            at = parse_instant(agreed.get("at", ""), "at")
        except InvalidInput:
            return None
        held = agreed.get("version") == label and at >= self._shop.clock.now() - _HOLDS
        return at if held else None

    def _present(self, organisation: Organisation) -> tuple[Subscription, datetime]:
        if organisation.consumer is None:
            raise NotFound("subscription", organisation.slug)
        subscription, now = self._shop.subscribing.present(str(organisation.consumer))
        if subscription.customer != organisation.customer or subscription.phase_at(now) is None:
            raise NotFound("subscription", organisation.slug)
        return subscription, now

    def _own(self, organisation: Organisation) -> UUID:
        return self._present(organisation)[0].id

    def _plan(self, name: str) -> PlanVersion:
        with self._shop.main.read() as connection:
            found = Commerce(connection, self._shop.clock).catalog.plan(name)
        if found is None:
            raise NotFound("plan", name)
        return found

    def _addon_label(self, name: str) -> str:
        with self._shop.main.read() as connection:
            found = Commerce(connection, self._shop.clock).catalog.addon(name)
        return name if found is None else found.label


def _charges(invoices: Sequence[Invoice], zone: ZoneInfo) -> list[Charge]:
    return [charge(invoice, zone) for invoice in invoices]


def _row(invoice: Invoice | InvoiceSummary, state: InvoicePayment | None) -> InvoiceRow:
    assert invoice.number is not None
    assert invoice.finalised_at is not None
    unit, total = currency(invoice.currency), invoice.total
    settled = total <= 0 if state is None else state.paid
    return InvoiceRow(
        id=invoice.id,
        number=invoice.number,
        issued_at=invoice.finalised_at,
        total=Money(total, unit),
        due=Money(max(0, total) if state is None else state.due, unit),
        paid=settled,
        message=None if state is None else state.message,
        action_url=None if state is None else state.action_url,
    )
