"""Usage told to Stripe's meters is what was metered, per window, whatever went wrong on the way."""

from __future__ import annotations

import random
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from tests.support.payments import ORIGIN, TIMEOUT, Till
from tests.support.stripe_fake import StripeFake
from tollway.app.usage_export import UsageExport
from tollway.kernel.clock import SystemClock
from tollway.kernel.errors import InvalidInput
from tollway.kernel.mode import Mode
from tollway.providers.payments.base import Options
from tollway.providers.payments.stripe import Stripe


class Exporter(Till):
    """A till over Stripe's fake, whose clock follows ours, and whose requests stripe-mock has to allow."""

    def __init__(self, folder: Path, fake: StripeFake) -> None:
        self.fake = fake
        values = {"secret_key": fake.KEY, "api_base": fake.url}
        super().__init__(folder, Stripe(Options(folder, SystemClock(), TIMEOUT, values)))
        self.export = UsageExport(self.world.main, self.world.query, self.provider, self.world.clock)
        self.later(hours=0)

    def later(self, **step: float) -> None:
        super().later(**step)
        self.fake.ahead = self.world.clock.now() - datetime.now(UTC)
        self.world.worker.catch_up()

    def told(self) -> dict[tuple[str, int], int]:
        """Return what Stripe counts per customer and window."""
        told: dict[tuple[str, int], int] = {}
        for event in self.fake.meter_events:
            assert event["event_name"] == "tollway_api_calls"
            window = (event["payload"]["stripe_customer_id"], int(event["timestamp"]))
            told[window] = told.get(window, 0) + int(event["payload"]["value"])
        return told


@pytest.fixture
def exporter(tmp_path: Path) -> Iterator[Exporter]:
    with StripeFake().running() as fake:
        exporter = Exporter(tmp_path, fake)
        yield exporter
        exporter.close()


def test_windows_are_told_once_late_usage_as_another_part(exporter: Exporter) -> None:
    known, unknown = exporter.world.subscribe("pro"), exporter.world.subscribe("pro")
    exporter.payments.begin_setup(known.customer, ORIGIN)
    start = exporter.world.clock.now().replace(minute=0, second=0, microsecond=0) + timedelta(hours=1)
    for subscription in (known, unknown):
        exporter.world.use(subscription, 3, start + timedelta(minutes=5))
        exporter.world.use(subscription, 4, start + timedelta(minutes=59))
        exporter.world.use(subscription, 5, start + timedelta(minutes=60))
    exporter.later(hours=3)
    assert exporter.export.work() == 2
    assert exporter.export.work() == 0
    first, second = int(start.timestamp()), int(start.timestamp()) + 3600
    (account,) = {customer for customer, _ in exporter.told()}
    assert exporter.told() == {(account, first): 7, (account, second): 5}
    exporter.world.use(known, 2, start + timedelta(minutes=6))
    exporter.later(hours=1)
    assert exporter.export.work() == 1
    assert exporter.told() == {(account, first): 9, (account, second): 5}
    identifiers = [event["identifier"] for event in exporter.fake.meter_events]
    assert len(set(identifiers)) == 3
    assert all(len(identifier) <= 100 for identifier in identifiers)
    assert len(exporter.fake.of_kind("billing.meter")) == 1


@pytest.mark.parametrize("arrived", [True, False])
def test_after_a_day_what_was_counted_is_read_before_it_is_sent_again(
    exporter: Exporter,
    arrived: bool,  # noqa: FBT001
) -> None:
    known = exporter.world.subscribe("pro")
    exporter.payments.begin_setup(known.customer, ORIGIN)
    exporter.world.use(known, 7, exporter.world.clock.now())
    exporter.later(hours=2)
    exporter.fake.lose = "meter_events" if arrived else None
    exporter.fake.fail_next = None if arrived else "meter_events"
    assert exporter.export.work() == 0
    assert sum(exporter.told().values()) == (7 if arrived else 0)
    exporter.fake.lose = None
    # A resend within the day would be known by its identifier; after it, it would count a second time.
    exporter.later(hours=30)
    exporter.fake.requests.clear()
    assert exporter.export.work() == 1
    assert sum(exporter.told().values()) == 7
    assert any("event_summaries" in path for _, path in exporter.fake.requests)
    sent = ("POST", "/v1/billing/meter_events") in exporter.fake.requests
    assert sent is not arrived


def test_a_part_is_not_taken_for_another_that_arrived(exporter: Exporter) -> None:
    known = exporter.world.subscribe("pro")
    exporter.payments.begin_setup(known.customer, ORIGIN)
    used_at = exporter.world.clock.now()
    exporter.world.use(known, 7, used_at)
    exporter.later(hours=2)
    exporter.fake.fail_next = "meter_events"
    assert exporter.export.work() == 0
    exporter.world.use(known, 9, used_at)
    exporter.later(hours=1)
    exporter.fake.fail_next = "meter_events"
    exporter.export.work()
    for _ in range(2):
        exporter.later(hours=30)
        exporter.export.work()
    assert sum(exporter.told().values()) == 16


@pytest.mark.parametrize("seed", range(3))
def test_exported_is_metered_per_window_after_any_retries(exporter: Exporter, seed: int) -> None:
    dice = random.Random(seed)
    subscriptions = [exporter.world.subscribe("pro") for _ in range(2)]
    for subscription in subscriptions:
        exporter.payments.begin_setup(subscription.customer, ORIGIN)
    used: dict[tuple[str, int], int] = {}
    for _ in range(25):
        now = exporter.world.clock.now()
        for subscription, customer in zip(subscriptions, exporter.fake.of_kind("customer"), strict=True):
            count = dice.randrange(4)
            at = now - timedelta(minutes=dice.randrange(180))
            exporter.world.use(subscription, count, at)
            hour = int(at.replace(minute=0, second=0, microsecond=0).timestamp())
            if count:
                used[customer["id"], hour] = used.get((customer["id"], hour), 0) + count
        exporter.later(minutes=dice.randrange(20, 90))
        exporter.fake.lose = dice.choice([None, None, "meter_events"])
        exporter.fake.fail_next = dice.choice([None, None, "meter_events"])
        exporter.export.work()
    exporter.fake.lose = exporter.fake.fail_next = None
    for _ in range(12):
        exporter.later(hours=3)
        exporter.export.work()
    assert exporter.told() == used


def test_test_customers_and_the_sandbox(exporter: Exporter, tmp_path: Path) -> None:
    testing = exporter.world.subscribe("pro", mode=Mode.TEST)
    exporter.world.use(testing, 7, exporter.world.clock.now())
    exporter.later(hours=2)
    assert exporter.export.work() == 0
    (tmp_path / "other").mkdir()
    till = Till(tmp_path / "other")
    with pytest.raises(InvalidInput, match="TOLLWAY_PAYMENT_USAGE_EXPORT"):
        UsageExport(till.world.main, till.world.query, till.provider, till.world.clock)
    till.close()
