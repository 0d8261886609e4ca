"""Plans and subscriptions as the gateway has them: groups, limits, and who pays."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from uuid import UUID

import pytest
from sqlalchemy import text
from sqlalchemy.exc import IntegrityError

from tests.support.commerce import CATALOG
from tests.support.shop import END, Shop
from tollway.app import subscriptions
from tollway.billing.errors import PreviewOvertaken, SubscriptionConflict
from tollway.billing.subscriptions import Timing
from tollway.gateway.models import Attribution
from tollway.kernel.errors import InvalidInput, NotFound
from tollway.kernel.mode import Mode
from tollway.storage.commerce import Commerce


@pytest.fixture
def shop(tmp_path: Path) -> Iterator[Shop]:
    shop = Shop(tmp_path)
    yield shop
    shop.store.database.close()


def test_each_plan_is_a_group_with_its_limit(shop: Shop) -> None:
    assert (shop.limit("free"), shop.limit("pro"), shop.limit("enterprise")) == (
        {"minute": 60},
        {"minute": 1000},
        None,
    )
    assert shop.engine.bases, "the engine compiles what a catalog makes of the configuration"


def test_applying_twice_writes_nothing(shop: Shop) -> None:
    version = shop.version()
    assert {action for _, action, _ in shop.apply(CATALOG)} == {"unchanged"}
    assert shop.version() == version


def test_a_change_is_a_version_and_going_back_is_the_old_one(shop: Shop) -> None:
    changed = CATALOG.replace("{minute: 1000}", "{hour: 5000}").replace("49.00", "59.00")
    assert ("pro", "changed", 2) in shop.apply(changed)
    assert shop.limit("pro") == {"hour": 5000}
    assert ("pro", "changed", 1) in shop.apply(CATALOG)
    assert shop.limit("pro") == {"minute": 1000}
    assert ("pro", "changed", 3) in shop.apply(CATALOG.replace("    rate_limit: {minute: 1000}\n", ""))
    assert shop.limit("pro") is None


def test_another_number_of_zeros_is_no_change(shop: Shop) -> None:
    assert {action for _, action, _ in shop.apply(CATALOG.replace('"49.00"', '"49"'))} == {"unchanged"}


def test_a_changed_meter_counts_anew_from_then_on(shop: Shop) -> None:
    shop.clock.advance(timedelta(hours=1))
    applied = shop.apply(CATALOG.replace('["2xx", "3xx"]', '["2xx"]'))
    assert applied[0] == ("api_calls", "changed", None)
    with shop.store.database.read() as connection:
        rows = connection.execute(text("SELECT effective_until - effective_from FROM meter ORDER BY id"))
        assert [row[0] for row in rows] == [3_600_000_000, None]


def test_a_faulty_catalog_changes_nothing(shop: Shop) -> None:
    version = shop.version()
    faulty = CATALOG.replace("{minute: 1000}", "{minute: 2000}").replace('"400.00"', '"4OO"')
    with pytest.raises(InvalidInput, match=r"catalog.yaml:\d+: plans\[4\].prices\[0\].amount"):
        shop.apply(faulty)
    assert shop.version() == version
    assert shop.limit("pro") == {"minute": 1000}


def test_what_the_engine_refuses_is_not_stored(shop: Shop) -> None:
    def refuse() -> None:
        raise InvalidInput("plugins[0]", "no", "another")

    shop.engine.refuse = refuse
    with pytest.raises(InvalidInput):
        shop.apply(CATALOG.replace("{minute: 1000}", "{minute: 2000}"))
    assert shop.limit("pro") == {"minute": 1000}
    with shop.store.database.read() as connection:
        version = Commerce(connection, shop.clock).catalog.plan("pro")
        assert version is not None
        assert version.version == 1


def test_many_subscribe_at_once_and_a_load_can_be_run_again(
    shop: Shop, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(subscriptions, "_HELD_SECONDS", 1)  # on a busy machine, one may take 10 ms
    wanted = [(f"consumer{number}", "pro" if number % 3 else "free") for number in range(40)]
    for name, _ in wanted:
        shop.consumer(name)
    version = shop.version()
    assert list(shop.subscribing.create_many(wanted, Mode.TEST)) == [name for name, _ in wanted]
    assert version < shop.version() < version + len(wanted), "several share a transaction"
    for name, plan in wanted:
        groups, attribution = shop.at_gateway(name)
        assert groups == [plan]
        assert attribution.mode is Mode.TEST
    before = shop.subscribing.all()
    assert list(shop.subscribing.create_many(wanted, Mode.TEST)) == [name for name, _ in wanted]
    assert shop.subscribing.all() == before


@pytest.mark.parametrize(
    ("rows", "mode", "fault"),
    [
        ([("b", "pro"), ("a", "pro")], Mode.TEST, r"'a' has a test subscription to plan free"),
        ([("b", "pro"), ("a", "free")], Mode.LIVE, r"'a' has a test subscription to plan free"),
        ([("b", "pro"), ("nobody", "free")], Mode.TEST, "nobody"),
        ([("b", "pro"), ("b", "gold")], Mode.TEST, "has a test subscription to plan pro"),
    ],
)
def test_a_fault_ends_a_load(shop: Shop, rows: list[tuple[str, str]], mode: Mode, fault: str) -> None:
    for name in "ab":
        shop.consumer(name)
    shop.subscribing.create("a", "free", Mode.TEST)
    with pytest.raises((NotFound, SubscriptionConflict), match=fault):
        list(shop.subscribing.create_many(rows, mode))
    assert shop.at_gateway("a")[0] == ["free"]
    assert shop.at_gateway("b")[0] in ([], ["pro"])


def test_subscribing_makes_a_customer_and_tells_the_gateway_in_one_version(shop: Shop) -> None:
    shop.consumer("acme", "acme-uuid")
    version = shop.version()
    subscription = shop.subscribing.create("acme-uuid", "pro", Mode.TEST)
    assert shop.version() == version + 1
    groups, attribution = shop.at_gateway("acme")
    assert groups == ["pro"]
    assert attribution == Attribution(
        customer_id=subscription.customer, phase_id=subscription.phases[0].id, mode=Mode.TEST
    )
    with shop.store.database.read() as connection:
        customer = Commerce(connection, shop.clock).parties.customer(subscription.customer)
    assert (customer.name, customer.mode) == ("acme", Mode.TEST)


def test_who_cannot_subscribe_leaves_nothing_behind(shop: Shop) -> None:
    shop.consumer("acme")
    with pytest.raises(NotFound, match="no consumer named 'nobody'; create it first"):
        shop.subscribing.create("nobody", "pro", Mode.LIVE)
    with pytest.raises(NotFound, match="no plan named 'gold'; there is calendar, daily, enterprise, free"):
        shop.subscribing.create("acme", "gold", Mode.LIVE)
    shop.subscribing.create("acme", "pro", Mode.LIVE)
    with pytest.raises(SubscriptionConflict, match="has a live subscription to plan pro/1; change it"):
        shop.subscribing.create("acme", "free", Mode.LIVE)
    assert shop.at_gateway("acme")[0] == ["pro"]
    assert len(shop.subscribing.all()) == 1


def test_an_upgrade_moves_the_consumer_at_once(shop: Shop) -> None:
    shop.consumer("acme")
    shop.subscribing.create("acme", "pro", Mode.LIVE)
    shop.clock.advance(timedelta(days=1))
    preview = shop.subscribing.change("acme", "enterprise", dry_run=True)
    assert preview.timing is Timing.NOW
    assert shop.at_gateway("acme")[0] == ["pro"]
    change = shop.subscribing.change("acme", "enterprise")
    groups, attribution = shop.at_gateway("acme")
    assert groups == ["enterprise"]
    assert attribution.phase_id == change.subscription.phases[1].id


def test_a_downgrade_moves_the_consumer_when_the_period_ends(shop: Shop) -> None:
    shop.consumer("acme")
    shop.subscribing.create("acme", "pro", Mode.LIVE)
    change = shop.subscribing.change("acme", "free")
    assert (change.timing, change.effective_at) == (Timing.PERIOD_END, END)
    assert shop.subscribing.settle(END - timedelta(microseconds=1)) == 0
    assert shop.at_gateway("acme")[0] == ["pro"]
    assert shop.subscribing.settle(END) == 1
    groups, attribution = shop.at_gateway("acme")
    assert (groups, attribution.phase_id) == (["free"], change.subscription.phases[1].id)
    assert shop.subscribing.settle(END) == 0


def test_a_waiting_change_can_be_taken_back(shop: Shop) -> None:
    shop.consumer("acme")
    shop.subscribing.create("acme", "pro", Mode.LIVE)
    shop.subscribing.change("acme", "free")
    back = shop.subscribing.change("acme", "pro")
    assert [phase.ends_at for phase in back.subscription.phases] == [None]
    with pytest.raises(SubscriptionConflict, match="is on plan pro/1 already"):
        shop.subscribing.change("acme", "pro")


def test_cancelling_takes_effect_now_or_at_the_end(shop: Shop) -> None:
    for name in ("now", "later"):
        shop.consumer(name)
        shop.subscribing.create(name, "pro", Mode.LIVE)
    shop.clock.advance(timedelta(days=1))
    assert shop.subscribing.cancel("now", Timing.NOW).ends_at == shop.clock.now()
    later = shop.subscribing.cancel("later", Timing.PERIOD_END)
    assert later.ends_at == END
    assert shop.at_gateway("now")[0] == []
    assert shop.at_gateway("now")[1].phase_id is None
    assert shop.at_gateway("later")[0] == ["pro"]
    with pytest.raises(SubscriptionConflict, match="is cancelled already and ends at 2026-02-10T09:00:00Z"):
        shop.subscribing.cancel("later", Timing.PERIOD_END)
    with pytest.raises(SubscriptionConflict, match="was cancelled and ends"):
        shop.subscribing.change("later", "enterprise")
    shop.subscribing.settle(END)
    assert shop.at_gateway("later") == (
        [],
        Attribution(customer_id=later.customer, phase_id=None, mode=Mode.LIVE),
    )
    again = shop.subscribing.create("now", "free", Mode.LIVE)
    shop.subscribing.settle(END)
    assert shop.at_gateway("now")[1].phase_id == again.phases[0].id


def test_a_consumer_belongs_to_a_customer_of_one_mode(shop: Shop) -> None:
    shop.consumer("acme")
    shop.subscribing.create("acme", "pro", Mode.LIVE)
    shop.subscribing.cancel("acme", Timing.NOW)
    shop.clock.advance(timedelta(seconds=1))
    with pytest.raises(SubscriptionConflict, match="belongs to live customer 'acme'"):
        shop.subscribing.create("acme", "pro", Mode.TEST)


def test_a_deleted_consumer_does_not_hold_up_the_end(shop: Shop) -> None:
    shop.consumer("acme")
    shop.subscribing.create("acme", "pro", Mode.LIVE)
    shop.subscribing.change("acme", "free")
    with shop.store.write() as gateway:
        gateway.consumers.delete("acme")
    assert shop.subscribing.settle(END) == 0


def test_rivals_apply_a_catalog_once(shop: Shop) -> None:
    changed = CATALOG.replace("49.00", "59.00")
    barrier = threading.Barrier(4)
    done: list[tuple[str, str, int | None]] = []

    def apply() -> None:
        barrier.wait()
        done.extend(shop.apply(changed))

    threads = [threading.Thread(target=apply) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert (
        sorted(one for one in done if one[0] == "pro")
        == [("pro", "changed", 2)] + [("pro", "unchanged", 2)] * 3
    )


def test_rivals_subscribe_a_consumer_once(shop: Shop) -> None:
    shop.consumer("acme")
    barrier = threading.Barrier(4)
    refused: list[SubscriptionConflict] = []

    def create() -> None:
        barrier.wait()
        try:
            shop.subscribing.create("acme", "pro", Mode.LIVE)
        except SubscriptionConflict as conflict:
            refused.append(conflict)

    threads = [threading.Thread(target=create) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(refused) == 3
    assert len(shop.subscribing.all()) == 1


def test_looking_does_not_wait_for_a_writer(shop: Shop) -> None:
    shop.consumer("acme")
    shop.subscribing.create("acme", "free", Mode.LIVE)
    with shop.store.database.write():
        assert shop.subscribing.of("acme").phases[0].plan.plan.name == "free"
        assert shop.subscribing.change("acme", "pro", dry_run=True).timing is Timing.NOW


def test_the_database_keeps_a_consumer_to_one_open_subscription(shop: Shop) -> None:
    shop.consumer("acme")
    subscription = shop.subscribing.create("acme", "free", Mode.LIVE)
    twin = replace(subscription, id=UUID(int=9), phases=())
    with pytest.raises(IntegrityError), shop.store.database.write() as connection:
        Commerce(connection, shop.clock).subscriptions.save(twin)


def test_what_was_agreed_to_is_not_done_once_something_was_billed_or_changed(shop: Shop) -> None:
    shop.consumer("acme")
    shop.subscribing.create("acme", "pro", Mode.LIVE)
    shop.clock.advance(timedelta(minutes=1))
    _, agreed = shop.subscribing.present("acme")
    shop.clock.advance(timedelta(minutes=1))
    shop.subscribing.add_on("acme", "analytics")
    with pytest.raises(PreviewOvertaken, match="billed or changed since"):
        shop.subscribing.change("acme", "enterprise", at=agreed)
    with pytest.raises(PreviewOvertaken):
        shop.subscribing.add_on("acme", "bulk", at=agreed)
    _, agreed = shop.subscribing.present("acme")
    shop.clock.advance(timedelta(minutes=1))
    assert shop.subscribing.change("acme", "enterprise", at=agreed).effective_at == agreed
    # Sent twice, the second is told what it is, and nobody's word for the future is taken.
    with pytest.raises(SubscriptionConflict, match="already"):
        shop.subscribing.change("acme", "enterprise", at=agreed)
    ahead = shop.clock.now() + timedelta(days=3)
    assert shop.subscribing.add_on("acme", "bulk", at=ahead).effective_at == shop.clock.now()
