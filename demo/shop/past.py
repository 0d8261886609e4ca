"""Writes the shop's past: what happened is done by the same use cases, under a clock that stands in the past.

Calls are written to the usage log as a gateway would have; everything else that the shop shows (usage,
invoices, payments) comes of metering and billing them.
"""

from __future__ import annotations

import random
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from types import TracebackType
from typing import Self
from uuid import UUID

from demo.shop.calls import PastCall, day_of_calls
from demo.shop.cast import CAST, DAYS, Firm, Turn
from tollway._native import UsageWriter  # noqa: TID251  # writes a log as if gateways had run
from tollway.app.commerce import Seller
from tollway.app.data_dir import node_id, prepare
from tollway.app.gateway import gateway_store
from tollway.app.parties import DetailsChange, set_customer, set_seller
from tollway.app.payment_worker import PaymentWorker
from tollway.app.payments import Payments, open_payments
from tollway.app.plans import apply_catalog_file
from tollway.app.settings import Settings
from tollway.app.usage import open_usage
from tollway.billing.subscriptions import Timing
from tollway.kernel.clock import ManualClock
from tollway.kernel.instants import to_micros
from tollway.kernel.mode import Mode

__all__ = ["CATALOG", "Past", "opening"]

CATALOG = Path(__file__).with_name("catalog.yaml")
_SEED = 20
_ORIGIN = "http://portal.example"
_A_MOMENT = timedelta(milliseconds=1)
_BILLING_WAIT = timedelta(seconds=20)


@dataclass(slots=True)
class _Standing:
    """A firm as a customer: what its calls are written with."""

    firm: Firm
    came: int
    consumer: UUID
    credential: UUID
    customer: UUID
    phase: UUID
    features: frozenset[str] = frozenset()


@dataclass(slots=True)
class Past:
    """The shop under a clock in the past. Tollway must not be running on the folder meanwhile."""

    settings: Settings
    opening: datetime
    came: Callable[[Firm, UUID, UUID, UUID], None] = lambda *_: None
    """Called with each new firm, its customer, its consumer and its first key's id."""
    keys: dict[str, str] = field(default_factory=dict)
    """The newest API key of each firm, by its slug."""
    customers: dict[str, UUID] = field(default_factory=dict)
    clock: ManualClock = field(init=False)
    seller: Seller = field(init=False)
    _writer: UsageWriter = field(init=False)
    _payments: Payments = field(init=False)
    _collecting: PaymentWorker = field(init=False)
    _open: ExitStack = field(default_factory=ExitStack)
    _present: dict[str, _Standing] = field(default_factory=dict)
    _routes: dict[str, tuple[UUID, UUID]] = field(default_factory=dict)
    _dice: random.Random = field(default_factory=lambda: random.Random(_SEED))

    def __enter__(self) -> Self:
        """Open the data folder."""
        prepare(self.settings)
        self.clock = ManualClock(self.opening)
        usage = self._open.enter_context(open_usage(self.settings, self.clock))
        self.seller = Seller(usage, gateway_store(usage.main, self.settings, self.clock), self.clock)
        self._payments = open_payments(usage.main, self.settings, self.clock)
        self._collecting = PaymentWorker(usage.main, self._payments, self.clock)
        self._writer = UsageWriter(
            str(self.settings.usage_log_dir), node_id(self.settings), now_us=to_micros(self.opening)
        )
        self._open.callback(self._writer.close)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Close it: a gateway may go on writing the same node's log."""
        self._open.close()

    def open_shop(self, upstream_url: str, details: DetailsChange) -> None:
        """Put the API on sale: service, routes, who may use them, plans, and who issues the invoices."""
        with self.seller.gateways.write() as gateway:
            service = gateway.services.create({"name": "atlas", "url": upstream_url})
            for name, path, feature in (
                ("atlas", "/v1", None),
                ("atlas-nearest", "/v1/nearest", "nearest"),
                ("atlas-downloads", "/v1/downloads", "bulk"),
            ):
                route = gateway.routes.create(
                    {
                        "name": name,
                        "paths": [path],
                        "strip_path": False,
                        "service": {"id": str(service.id)},
                    }
                )
                self._routes[name] = (route.id, service.id)
                gateway.plugins.create(
                    {"name": "entitlement", "config": {"feature": feature}, "route": {"id": str(route.id)}}
                )
            gateway.plugins.create(
                {
                    "name": "key-auth",
                    "config": {"hide_credentials": True},
                    "service": {"id": str(service.id)},
                }
            )
        apply_catalog_file(self.seller.gateways, self.clock, CATALOG.read_bytes(), CATALOG.name)
        set_seller(self.seller.usage.main, self.clock, details, currency="USD", invoice_prefix="ATL-")

    def live(self, until: datetime, on_day: Callable[[int], None]) -> None:
        """Let the days pass from the opening to `until`: firms come, call, change; periods are billed.

        `on_day` is called with each day's number, in its evening.
        """
        for number in range(DAYS + 1):
            midnight = self.opening + timedelta(days=number)
            if midnight >= until:
                break
            self._until(midnight)
            for firm in CAST:
                for turn in firm.turns:
                    if turn.day == number:
                        self._take(firm, turn)
            self._call(midnight, number, min(until, midnight + timedelta(days=1)))
            self._bill()
            on_day(number)

    def _take(self, firm: Firm, turn: Turn) -> None:
        """What a firm does in the morning, before anybody calls."""
        subscribing = self.seller.subscribing
        if firm.slug not in self._present:
            self._come(firm, turn)
        elif turn.plan is not None:
            subscribing.change(firm.slug, turn.plan)
        if turn.add_on is not None:
            subscribing.add_on(firm.slug, turn.add_on)
        if turn.leaves:
            subscribing.cancel(firm.slug, Timing.PERIOD_END)

    def _come(self, firm: Firm, turn: Turn) -> None:
        assert turn.plan is not None
        with self.seller.gateways.write() as gateway:
            consumer = gateway.consumers.create({"username": firm.slug})
            credential = gateway.key_auths.create({"consumer": {"id": str(consumer.id)}})
            self.keys[firm.slug] = gateway.key_auths.reveal(credential)
        subscription = self.seller.subscribing.create(firm.slug, turn.plan, Mode.LIVE)
        self.customers[firm.slug] = subscription.customer
        set_customer(
            self.seller.usage.main,
            self.clock,
            firm.slug,
            Mode.LIVE,
            DetailsChange(name=firm.name, address=("1 Main Street",), country=firm.country),
        )
        if turn.plan != "free":
            page = self._payments.begin_setup(subscription.customer, _ORIGIN)
            self._payments.sandbox_choose(subscription.customer, page.setup, firm.card)
        self.came(firm, subscription.customer, consumer.id, credential.id)
        self._present[firm.slug] = _Standing(
            firm, turn.day, consumer.id, credential.id, subscription.customer, subscription.phases[0].id
        )

    def _call(self, midnight: datetime, number: int, until: datetime) -> None:
        """Write a day's calls in the order of time, each under what was in force in its morning."""
        self._look()
        calls: list[PastCall] = []
        for standing in self._present.values():
            if standing.features:
                calls += day_of_calls(
                    standing.firm, midnight, number - standing.came, standing.features, self._dice
                )
        start = self.clock.now()
        for call in sorted(calls, key=lambda call: call.at):
            if start <= call.at < until:
                self._write(call)
        self._until(until)
        self._writer.set_now(to_micros(until))

    def _until(self, instant: datetime) -> None:
        self.clock.advance(max(timedelta(0), instant - self.clock.now()))

    def _look(self) -> None:
        with self.seller.gateways.read() as gateway:
            for standing in self._present.values():
                consumer = gateway.consumers.get(str(standing.consumer))
                view = consumer.entitlement
                standing.phase = consumer.attribution.phase_id or standing.phase
                standing.features = frozenset(() if view is None else view["features"])

    def _write(self, call: PastCall) -> None:
        standing, (route, service) = self._present[call.firm.slug], self._routes[call.route]
        self._writer.set_now(to_micros(call.at))
        duration = self._dice.lognormvariate(2.6, 0.5)
        self._writer.append(
            request_id=self._dice.randbytes(16),
            consumer=standing.consumer.bytes,
            credential=standing.credential.bytes,
            customer=standing.customer.bytes,
            phase=standing.phase.bytes,
            route=route.bytes,
            service=service.bytes,
            bytes_out=call.size,
            status=call.status,
            duration_us=round(duration * 1000),
            upstream_us=round(duration * 930),
            path=call.path,
        )

    def _bill(self) -> None:
        """Bill what ended by now, as the worker does by itself."""
        now = self.clock.now()
        self.clock.advance(_A_MOMENT)
        for _ in self.seller.close_periods(now, mode=Mode.LIVE, wait=_BILLING_WAIT):
            pass
        while self._collecting.work():
            pass


def opening(now: datetime) -> datetime:
    """Return when the shop opened: a midnight some three months ago."""
    return datetime.combine((now - timedelta(days=DAYS)).date(), datetime.min.time(), UTC)
