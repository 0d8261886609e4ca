"""What something would cost before it is done: to the cent, by the code that then invoices it."""

from __future__ import annotations

from datetime import datetime

from tollway.app.following import Reference
from tollway.app.invoicing import Invoicing
from tollway.app.subscriptions import Subscribing
from tollway.billing.models import Subscription
from tollway.billing.preview import Preview
from tollway.billing.subscriptions import Timing
from tollway.kernel.mode import Mode

__all__ = ["Preview", "Previewing"]


class Previewing:
    """Previews of what `Subscribing` does. Nothing is stored.

    Each raises what the use case itself would raise. Usage counts as far as it is metered.
    """

    def __init__(self, subscribing: Subscribing, invoicing: Invoicing) -> None:
        self._subscribing = subscribing
        self._invoicing = invoicing

    def preview_create(self, consumer: str, plan: str, mode: Mode) -> Preview:
        """Return what subscribing to a plan would cost: see `Subscribing.create`."""
        subscription = self._subscribing.create(consumer, plan, mode, dry_run=True)
        return self._preview(subscription, Timing.NOW, subscription.starts_at)

    def preview_change(self, consumer: Reference, plan: str) -> Preview:
        """Return what a change of plan would cost: see `Subscribing.change`."""
        change = self._subscribing.change(consumer, plan, dry_run=True)
        return self._preview(change.subscription, change.timing, change.effective_at)

    def preview_add_on(self, consumer: Reference, name: str) -> Preview:
        """Return what taking an add-on on would cost: see `Subscribing.add_on`."""
        change = self._subscribing.add_on(consumer, name, dry_run=True)
        return self._preview(change.subscription, change.timing, change.effective_at)

    def preview_removal(self, consumer: Reference, name: str, timing: Timing = Timing.PERIOD_END) -> Preview:
        """Return what giving an add-on up would come to: see `Subscribing.remove_add_on`."""
        change = self._subscribing.remove_add_on(consumer, name, timing, dry_run=True)
        return self._preview(change.subscription, change.timing, change.effective_at)

    def next_invoice(self, consumer: Reference) -> Preview:
        """Return what will be invoiced as things are."""
        subscription, now = self._subscribing.present(consumer)
        return self._preview(subscription, Timing.NOW, now)

    def _preview(self, subscription: Subscription, timing: Timing, at: datetime) -> Preview:
        forecast = self._invoicing.forecast(subscription, at if timing is Timing.NOW else None)
        return Preview(
            subscription=subscription,
            timing=timing,
            effective_at=at,
            due_now=forecast.due,
            upcoming=forecast.upcoming,
            upcoming_at=forecast.upcoming_at,
        )
