"""Wires what is sold to what is used: catalog, subscriptions and invoices over gateway and metering."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from tollway.app.data_dir import prepare
from tollway.app.gateway import gateway_store
from tollway.app.invoicing import Billed, Invoicing
from tollway.app.previewing import Previewing
from tollway.app.settings import Settings
from tollway.app.subscriptions import Subscribing
from tollway.app.usage import Usage, open_usage
from tollway.kernel.clock import Clock, ManualClock, SystemClock
from tollway.kernel.mode import Mode
from tollway.storage.gateway import GatewayStore
from tollway.web.invoice.convert import run_json

__all__ = ["Seller", "open_seller"]


@dataclass(frozen=True, slots=True)
class Seller:
    """Everything that selling takes, ready to use."""

    usage: Usage
    gateways: GatewayStore
    clock: Clock

    @property
    def subscribing(self) -> Subscribing:
        """The use cases of subscriptions."""
        return Subscribing(self.gateways, self.clock)

    @property
    def previewing(self) -> Previewing:
        """Previews, with the usage that is metered by now."""
        return Previewing(self.subscribing, self.invoicing())

    def close_periods(
        self, until: datetime, *, mode: Mode | None, wait: timedelta
    ) -> Iterator[dict[str, Any]]:
        """Let due changes take effect, then bill every period that ended by `until`, not ahead of now."""
        self.subscribing.settle(self.clock.now(), mode)
        return map(_row, self.invoicing().run(until, mode=mode, wait=wait))

    def close_test_periods(self, as_of: datetime, *, wait: timedelta) -> Iterator[dict[str, Any]]:
        """Let it be `as_of` for test subscriptions: due changes take effect, then periods are billed."""
        self.subscribing.settle(as_of, Mode.TEST)
        billed = self.invoicing(ManualClock(as_of)).run(as_of, mode=Mode.TEST, wait=wait)
        return map(_row, billed)

    def invoicing(self, billing_clock: Clock | None = None) -> Invoicing:
        """The use cases of invoices, by the real clock or under a test clock."""
        return Invoicing(
            self.usage.main,
            self.usage.query,
            drain=self.usage.worker.drain,
            clock=billing_clock or self.clock,
            real=self.clock,
        )


@contextmanager
def open_seller(settings: Settings) -> Iterator[Seller]:
    """Open data folder and databases, bring them up to date, and wire everything."""
    clock = SystemClock()
    prepare(settings)
    with open_usage(settings, clock) as usage:
        yield Seller(usage, gateway_store(usage.main, settings, clock), clock)


def _row(billed: Billed) -> dict[str, Any]:
    return run_json(billed.invoice, billed.consumer, billed.reason)
