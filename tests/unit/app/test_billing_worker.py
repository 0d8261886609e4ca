"""What billing does by itself, and what it says of it."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from datetime import datetime, timedelta
from pathlib import Path
from uuid import UUID

import pytest
from structlog.testing import capture_logs

from tests.support.commerce import START, World
from tests.support.gateway import open_store
from tollway.app.billing_worker import BillingWorker
from tollway.app.subscriptions import Subscribing
from tollway.billing.subscriptions import Timing, cancel
from tollway.kernel.mode import Mode

END = START.replace(month=2, day=28)
GRACE = timedelta(hours=1)


class Setting:
    def __init__(self, folder: Path) -> None:
        self.world = World(folder)
        self.store = open_store(self.world.main, clock=self.world.clock)
        self.subscribing = Subscribing(self.store, self.world.clock)
        self.worker = BillingWorker(
            self.subscribing, self.world.invoicing(), clock=self.world.clock, grace=GRACE
        )
        with self.store.write() as gateway:
            gateway.consumers.create({"username": "acme"})

    def groups(self) -> list[str]:
        with self.store.read() as gateway:
            consumer = gateway.consumers.get("acme")
            return [group.name for group in gateway.consumer_groups.groups_of(consumer.id)]


@pytest.fixture
def setting(tmp_path: Path) -> Iterator[Setting]:
    setting = Setting(tmp_path)
    yield setting
    setting.world.close()


def test_a_period_closes_when_its_grace_is_over(setting: Setting) -> None:
    pro = setting.world.subscribe("pro")
    setting.world.go_to(END + GRACE - timedelta(microseconds=1))
    setting.worker.close(threading.Event())
    assert len(setting.world.invoices(pro)) == 1
    setting.world.use(pro, 11, END - timedelta(microseconds=1))
    setting.world.go_to(END + GRACE)
    setting.worker.close(threading.Event())
    assert setting.world.totals(pro)[1] == [("fee", 4900), ("usage", 1)]


def test_a_draft_is_told_once_for_each_reason(setting: Setting) -> None:
    setting.world.subscribe("pro")
    setting.world.go_to(END + GRACE)
    setting.world.log.now = START
    with capture_logs() as logs:
        for _ in range(3):
            setting.worker.close(threading.Event())
    drafts = [entry for entry in logs if entry["event"] == "invoice left as a draft"]
    assert len(drafts) == 1
    setting.world.log.now = END + GRACE
    with capture_logs() as logs:
        setting.worker.close(threading.Event())
    assert [entry["number"] for entry in logs if entry["event"] == "invoice"] == ["INV-000002"]


def test_what_waited_for_the_end_reaches_the_gateway(setting: Setting) -> None:
    setting.subscribing.create("acme", "pro", Mode.LIVE)
    setting.subscribing.cancel("acme", Timing.PERIOD_END)
    setting.worker.settle()
    assert setting.groups() == ["pro"]
    setting.world.go_to(END)
    with capture_logs() as logs:
        setting.worker.settle()
    assert setting.groups() == []
    assert logs == [{"event": "subscriptions went over to what follows", "count": 1, "log_level": "info"}]


def test_only_what_is_due_is_looked_at(setting: Setting) -> None:
    world = setting.world
    pro, ended = world.subscribe("pro"), world.subscribe("pro")
    world.save(cancel(ended, Timing.NOW, START + timedelta(days=1)))
    assert _due(setting, START + timedelta(days=1)) == {pro.id, ended.id}
    world.go_to(START + timedelta(days=1) + GRACE)
    setting.worker.close(threading.Event())
    assert _due(setting, END - timedelta(microseconds=1)) == {ended.id}
    assert _due(setting, START + timedelta(days=1) + GRACE / 2) == set()
    assert _due(setting, END) == {pro.id, ended.id}
    world.save(cancel(pro, Timing.NOW, START + timedelta(days=2)))
    assert _due(setting, START + timedelta(days=2)) == {pro.id, ended.id}


def test_late_usage_of_what_ended_is_found(setting: Setting) -> None:
    world = setting.world
    pro = world.subscribe("pro")
    ended = cancel(pro, Timing.NOW, START + timedelta(days=1))
    world.save(ended)
    world.go_to(START + timedelta(days=2))
    setting.worker.close(threading.Event())
    world.use(ended, 11, START + timedelta(hours=1))
    world.go_to(START + timedelta(days=4))
    world.worker.catch_up()
    setting.worker.close(threading.Event())
    assert world.totals(pro)[-1] == [("late_usage", 1)]


def _due(setting: Setting, until: datetime) -> set[UUID]:
    with setting.world.main.read() as connection:
        return set(setting.world.commerce(connection).subscriptions.due(None, until, ended=False))


@pytest.mark.parametrize("work", ["settle_forever", "close_forever"])
def test_the_loop_ends_when_asked(setting: Setting, work: str) -> None:
    stop = threading.Event()
    thread = threading.Thread(target=getattr(setting.worker, work), args=(stop,))
    thread.start()
    stop.set()
    thread.join(5)
    assert not thread.is_alive()
