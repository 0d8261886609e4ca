"""Changes of subscriptions whose test clock is ahead of the real one."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest

from tests.support.commerce import START, World
from tests.support.gateway import open_store
from tollway.app.subscriptions import Subscribing
from tollway.billing.models import Subscription
from tollway.billing.subscriptions import Timing
from tollway.kernel.mode import Mode

END = START.replace(month=2, day=28)
LATER = START.replace(month=3, day=31)


class Setting:
    def __init__(self, folder: Path) -> None:
        self.world = World(folder)
        store = open_store(self.world.main, clock=self.world.clock)
        self.subscribing = Subscribing(store, self.world.clock)
        with store.write() as gateway:
            gateway.consumers.create({"username": "acme"})

    def usage(self, subscription: Subscription) -> int:
        invoices = self.world.invoices(subscription)
        return int(sum(line.quantity for invoice in invoices for line in invoice.lines if line.usage))


@pytest.fixture
def setting(tmp_path: Path) -> Iterator[Setting]:
    setting = Setting(tmp_path)
    yield setting
    setting.world.close()


def test_an_upgrade_at_the_instant_that_was_billed_is_charged(setting: Setting) -> None:
    subscription = setting.subscribing.create("acme", "pro", Mode.TEST)
    setting.world.run_as_of(END)
    change = setting.subscribing.change("acme", "enterprise")
    assert change.timing is Timing.NOW
    setting.world.run_as_of(LATER)
    assert setting.world.totals(subscription) == [
        [("fee", 4900)],
        [("fee", 4900), ("usage", 0)],
        [("fee", 49900), ("credit", -4900), ("usage", 0)],
        [("fee", 49900), ("usage", 0)],
    ]


def test_usage_between_two_upgrades_under_a_test_clock_is_billed(setting: Setting) -> None:
    subscription = setting.subscribing.create("acme", "free", Mode.TEST)
    setting.world.run_as_of(END)
    pro = setting.subscribing.change("acme", "pro").subscription
    setting.world.go_to(START + timedelta(hours=1))
    setting.world.use(pro, 15, setting.world.clock.now(), phase=1)
    enterprise = setting.subscribing.change("acme", "enterprise").subscription
    setting.world.use(enterprise, 4, setting.world.clock.now(), phase=2)
    setting.world.go_to(START + timedelta(hours=2))
    setting.world.run_as_of(LATER)
    assert setting.usage(subscription) == 19
