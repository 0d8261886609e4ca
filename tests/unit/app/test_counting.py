"""Where plans are counted: their groups follow the setting, and stay as they are while it does."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from tests.support.gateway import SECRET, Engine
from tests.support.shop import Shop
from tollway.app.plans import count_plans
from tollway.app.redis import counting
from tollway.app.settings import Settings
from tollway.gateway.secrets import KeyVault, derive_keys
from tollway.storage.commerce import Commerce
from tollway.storage.gateway import GatewayStore


def _counted(shop: Shop, settings: Settings) -> list[tuple[Any, Any]]:
    """Start control with these settings; return policy and host of every plan's limit."""
    vault = KeyVault(derive_keys(SECRET))
    store = GatewayStore(
        shop.store.database, vault=vault, engine=Engine(), clock=shop.clock, counting=counting(settings)
    )
    with store.database.write() as connection, store.join(connection) as gateway:
        count_plans(gateway, Commerce(connection, shop.clock))
    return [(config["policy"], config["redis"]["host"]) for config in _configs(shop)]


def _configs(shop: Shop) -> list[Mapping[str, Any]]:
    with shop.store.read() as gateway:
        groups = (gateway.consumer_groups.repository.find(name=name) for name in ("free", "pro"))
        ids = [group.id for group in groups if group is not None]
        return [p.config for one in ids for p in gateway.plugins.repository.all(consumer_group_id=one)]


def test_plans_are_counted_where_the_setting_says(tmp_path: Path) -> None:
    shop = Shop(tmp_path)
    here, there = Settings(), Settings(redis_url="redis://:secret@counter/1")
    assert _counted(shop, here) == [("local", None)] * 2
    assert _counted(shop, there) == [("redis", "counter")] * 2
    before = _configs(shop)
    assert _counted(shop, there) == [("redis", "counter")] * 2
    assert _configs(shop) == before
    assert _counted(shop, here) == [("local", None)] * 2
    shop.store.database.close()


def test_what_an_operator_has_set_beside_it_stays(tmp_path: Path) -> None:
    shop = Shop(tmp_path)
    with shop.store.write() as gateway:
        group = gateway.consumer_groups.get("pro")
        gateway.plugins.set_for_group(group.id, "rate-limiting", {"minute": 7, "fault_tolerant": False})
    _counted(shop, Settings())
    assert [config["minute"] for config in _configs(shop)] == [60, 7]
    shop.store.database.close()
