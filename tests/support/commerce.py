"""A seller's world for tests of billing: both databases, a usage log in memory, a clock set by hand."""

from __future__ import annotations

import itertools
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from uuid import UUID

from sqlalchemy import Connection

from tests.support.databases import migrated
from tests.unit.metering.fakes import NODE, SHARD, FakeLog, event
from tollway.app.invoicing import Billed, Invoicing
from tollway.app.metering import MeteringWorker
from tollway.app.usage import CatalogMeters
from tollway.billing.add_ons import add_on
from tollway.billing.models import Customer, Invoice, InvoiceLine, PartyDetails, SellerEntity, Subscription
from tollway.billing.reading import events_behind
from tollway.billing.subscriptions import start
from tollway.catalog.parse import parse_catalog
from tollway.catalog.service import apply_catalog
from tollway.kernel.clock import ManualClock
from tollway.kernel.ids import new_id
from tollway.kernel.mode import Mode
from tollway.metering.intake import Intake
from tollway.metering.query import StoredUsage
from tollway.storage.commerce import Commerce
from tollway.storage.metering import SqlUsageStorage

__all__ = ["CATALOG", "NODE", "SELLER", "START", "World"]

START = datetime(2026, 1, 31, 10, 20, 30, 123456, tzinfo=UTC)
"""On a day that months lack, and on no quarter of an hour."""

CATALOG = """
_format_version: "1.0"
currency: USD
meters:
  - {name: api_calls, aggregation: count, filter: {status: ["2xx", "3xx"]}}
plans:
  - name: free
    rate_limit: {minute: 60}
    prices:
      - {model: per_unit, meter: api_calls, unit_amount: "0"}
  - name: pro
    rate_limit: {minute: 1000}
    prices:
      - {model: flat, amount: "49.00"}
      - model: graduated
        meter: api_calls
        tiers: [{up_to: "10", unit_amount: "0"}, {up_to: null, unit_amount: "0.013"}]
  - name: enterprise
    prices:
      - {model: flat, amount: "499.00"}
      - model: volume
        meter: api_calls
        tiers: [{up_to: "20", unit_amount: "0.5"}, {up_to: null, unit_amount: "0.105"}]
  - name: calendar
    billing: calendar
    timezone: Europe/Berlin
    prices:
      - {model: flat, amount: "31.00"}
      - {model: per_unit, meter: api_calls, unit_amount: "0.01", minimum: "5.00"}
  - name: yearly
    interval: year
    prices:
      - {model: flat, amount: "400.00"}
  - name: daily
    interval: day
    prices:
      - {model: package, meter: api_calls, package_size: "7", package_amount: "0.35"}
  - name: nothing
addons:
  - {name: analytics, features: [analytics_advanced], prices: [{model: flat, amount: "19.00"}]}
  - name: bulk
    features: [bulk]
    prices:
      - {model: flat, amount: "3.00"}
      - model: graduated
        meter: api_calls
        tiers: [{up_to: "5", unit_amount: "0"}, {up_to: null, unit_amount: "0.011"}]
"""

SELLER = UUID(int=1)


class World:
    """`clock` is both the billing clock and the real one, and `log.now` follows it."""

    def __init__(self, folder: Path, now: datetime = START) -> None:
        self.main = migrated(folder, "main")
        self.usage_database = migrated(folder, "usage")
        self.clock = ManualClock(now)
        self.log = FakeLog(now)
        self.log.shards[SHARD] = []
        self._storage = SqlUsageStorage(self.usage_database)
        self.worker = self._worker()
        self.query = StoredUsage(self.log, self._storage, CatalogMeters(self.main.read))
        self._names = itertools.count(1)
        with self.main.write() as connection:
            self.commerce(connection).parties.save_seller(
                SellerEntity(
                    id=SELLER,
                    slug="default",
                    details=PartyDetails(
                        name="Atlas Data", address=("1 Quay Street", "Boston"), country="US"
                    ),
                    home_currency="USD",
                    invoice_prefix="INV-",
                    created_at=now,
                )
            )
            catalog = parse_catalog(CATALOG.encode(), "catalog.yaml")
            # In force long before, so that tests may have usage at any time.
            list(apply_catalog(self.commerce(connection).catalog, catalog, datetime(2020, 1, 1, tzinfo=UTC)))

    def commerce(self, connection: Connection) -> Commerce:
        return Commerce(connection, self.clock)

    def close(self) -> None:
        self.main.close()
        self.usage_database.close()

    def _worker(self) -> MeteringWorker:
        """A worker as another process would have it: it shares nothing but the databases and the log."""
        intake = Intake(self.log, self._storage, CatalogMeters(self.main.write), self.clock)
        return MeteringWorker(intake, self._storage, self.clock)

    def go_to(self, instant: datetime) -> None:
        """Let time pass, for the clock and for the log's marks."""
        self.clock.advance(instant - self.clock.now())
        self.log.now = instant

    def subscribe(self, plan: str, name: str | None = None, mode: Mode = Mode.LIVE) -> Subscription:
        name = name or f"customer {next(self._names)}"
        with self.main.write() as connection:
            commerce = self.commerce(connection)
            customer = commerce.parties.customer_named(name, mode) or Customer(
                id=new_id(),
                mode=mode,
                name=name,
                details=PartyDetails(),
                billing_currency=None,
                created_at=self.clock.now(),
            )
            commerce.parties.save_customer(customer)
            version = commerce.catalog.plan(plan)
            assert version is not None
            subscription = start(
                seller=commerce.parties.seller(SELLER),
                customer=customer,
                consumer=(new_id(), name),
                plan=version,
                now=self.clock.now(),
            )
            commerce.subscriptions.save(subscription)
        return subscription

    def save(self, subscription: Subscription) -> None:
        with self.main.write() as connection:
            self.commerce(connection).subscriptions.save(subscription)

    def add_on(self, subscription: Subscription, name: str) -> Subscription:
        """Have a subscription take an add-on on now."""
        with self.main.read() as connection:
            version = self.commerce(connection).catalog.addon(name)
        assert version is not None
        changed = add_on(subscription, version, self.clock.now()).subscription
        self.save(changed)
        return changed

    def use(
        self, subscription: Subscription, count: int, at: datetime, *, phase: int = 0, status: int = 200
    ) -> list[str]:
        """Log calls of a subscription's consumer, and return their request ids."""
        template = event(
            at,
            customer=subscription.customer,
            consumer=subscription.consumer,
            phase=subscription.phases[phase].id,
            test_mode=subscription.mode is Mode.TEST,
            status=status,
        )
        calls = [replace(template, request_id=new_id().hex) for _ in range(count)]
        self.log.append(*calls)
        return [call.request_id for call in calls]

    def invoicing(self, billing_clock: ManualClock | None = None) -> Invoicing:
        return Invoicing(
            self.main,
            self.query,
            drain=self._worker().drain,
            clock=billing_clock or self.clock,
            real=self.clock,
        )

    def run(self, until: datetime | None = None, *, mode: Mode | None = None) -> list[Billed]:
        """Run invoicing up to now, or to `until` by the same clock."""
        return list(self.invoicing().run(until or self.clock.now(), mode=mode, wait=timedelta(0)))

    def run_as_of(self, as_of: datetime) -> list[Billed]:
        """Run invoicing under a test clock."""
        invoicing = self.invoicing(ManualClock(as_of))
        return list(invoicing.run(as_of, mode=Mode.TEST, wait=timedelta(0)))

    def invoices(self, subscription: Subscription) -> list[Invoice]:
        with self.main.read() as connection:
            return list(self.commerce(connection).invoices.of_subscription(subscription.id))

    def behind(self, invoice: Invoice, line: InvoiceLine) -> list[str]:
        """Return the request ids behind a usage line."""
        return [found.request_id for found in self.query.events(events_behind(invoice, line))]

    def totals(self, subscription: Subscription) -> list[list[tuple[str, int]]]:
        """Return kind and total of every line of every invoice."""
        return [
            [(line.kind.value, line.total) for line in invoice.lines]
            for invoice in self.invoices(subscription)
        ]
