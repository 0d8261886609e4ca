"""Plan and add-ons as items of a Stripe subscription that costs nothing there."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.payments import ORIGIN, TIMEOUT, Till
from tests.support.stripe_fake import StripeFake
from tests.support.vendors import stripe_mock
from tollway.app.subscription_mirror import SubscriptionMirror
from tollway.billing.subscriptions import Timing, cancel
from tollway.kernel.clock import SystemClock
from tollway.kernel.errors import InvalidInput
from tollway.providers.payments.base import Options
from tollway.providers.payments.stripe import Stripe


class Shown(Till):
    """A till over Stripe's fake, and what is shown there."""

    def __init__(self, folder: Path, fake: StripeFake) -> None:
        self.fake = fake
        values = {"secret_key": fake.KEY, "api_base": fake.url}
        super().__init__(folder, Stripe(Options(folder, SystemClock(), TIMEOUT, values)))
        self.mirror = SubscriptionMirror(self.world.main, self.provider, self.world.clock)

    def items(self) -> list[str]:
        """Return what the subscriptions in force consist of."""
        active = {one["id"] for one in self.fake.of_kind("subscription") if one["status"] == "active"}
        items = self.fake.of_kind("subscription_item")
        assert all(item["unit_amount"] == 0 for item in items)
        return [item["name"] for item in items if item["subscription"] in active]


@pytest.fixture
def shown(tmp_path: Path) -> Iterator[Shown]:
    with stripe_mock() as check, StripeFake(check).running() as fake:
        shown = Shown(tmp_path, fake)
        yield shown
        shown.close()
        assert not check.refused, "\n".join(check.refused)


def test_plan_and_add_ons_are_shown_as_they_change(shown: Shown) -> None:
    world = shown.world
    pro = world.subscribe("pro")
    world.subscribe("pro")  # of a customer whom Stripe doesn't know
    assert shown.mirror.work() == 0
    shown.payments.begin_setup(pro.customer, ORIGIN)
    assert shown.mirror.work() == 1
    assert shown.items() == ["Plan pro"]
    pro = world.add_on(pro, "analytics")
    # The answer is lost; drawn again, it is there once.
    shown.fake.lose = "subscription_items"
    assert shown.mirror.work() == 0
    shown.fake.lose = None
    assert shown.mirror.work() == 1
    assert shown.mirror.work() == 0
    assert shown.items() == ["Plan pro", "Add-on analytics"]
    shown.later(hours=1)
    world.save(cancel(pro, Timing.NOW, world.clock.now()))
    assert shown.mirror.work() == 1
    assert shown.items() == []
    assert len(shown.fake.of_kind("subscription")) == 1


def test_whoever_shows_nothing_is_refused(tmp_path: Path) -> None:
    till = Till(tmp_path)
    with pytest.raises(InvalidInput, match="TOLLWAY_PAYMENT_ITEM_MIRROR"):
        SubscriptionMirror(till.world.main, till.provider, till.world.clock)
    till.close()
