"""Whatever is written, a gateway that follows by deltas has what one has that was sent everything."""

from __future__ import annotations

import tempfile
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Any

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.support.certificates import make
from tests.support.databases import ON_POSTGRESQL, migrated
from tests.support.gateway import VAULT, Engine, open_store
from tests.support.stream import Replica
from tollway.contracts.entitlement import EntitlementView
from tollway.gateway.errors import KongError
from tollway.gateway.models import Attribution
from tollway.gateway.publisher import updates
from tollway.gateway.service import Gateway, ImportRow
from tollway.kernel.errors import InvalidInput
from tollway.kernel.mode import Mode
from tollway.storage.gateway import GatewayStore, SqlConfigurationSource
from tollway.storage.gateway.base import BaseCache

NAMES = st.sampled_from(["a", "b", "c"])
NEW_NAMES = st.sampled_from(["0", "a", "d"])
PLANS = st.sampled_from(["basic", "pro"])
KEYS = st.sampled_from([f"key-number-{number}" for number in range(4)])
# A database for each: on PostgreSQL that is most of the time, and what is proven is the same.
EXAMPLES = 20 if ON_POSTGRESQL else 60
SHOWN = make("a.test")._asdict()
LIMIT = {"name": "rate-limiting", "config": {"minute": 5}}

Action = Callable[[Gateway], Any]


def _scoped(scope: dict[str, str | None]) -> dict[str, Any]:
    keys = {"consumer": "username"}
    return {
        **LIMIT,
        **{field: {keys.get(field, "name"): name} for field, name in scope.items() if name is not None},
    }


def _attribute(gateway: Gateway, name: str, mode: Mode) -> None:
    consumer = gateway.consumers.get(name)
    payer = Attribution(customer_id=consumer.id, phase_id=None, mode=mode)
    gateway.consumers.attribute(consumer.id, payer, consumer.entitlement)


def _entitle(gateway: Gateway, name: str, plan: str | None) -> None:
    consumer = gateway.consumers.get(name)
    view: EntitlementView | None = plan and {
        "subscription": str(consumer.id),
        "plan": plan,
        "addons": [],
        "features": ["f"],
        "quotas": [],
    }
    gateway.consumers.attribute(consumer.id, consumer.attribution, view)


def _member(gateway: Gateway, group: str, consumer: str, *, there: bool) -> None:
    groups = gateway.consumer_groups
    change = groups.add if there else groups.remove_member
    change(groups.get(group).id, gateway.consumers.get(consumer).id)


def _target(gateway: Gateway, upstream: str, target: str, weight: int) -> None:
    pool = gateway.upstreams.get(upstream).id
    document = {"upstream": {"id": str(pool)}, "target": target, "weight": weight}
    existing = gateway.targets.find(target, {"upstream_id": pool})
    if existing is None:
        gateway.targets.create(document)
    else:
        gateway.targets.update(str(existing.id), document)


def _believe(gateway: Gateway, *, there: bool) -> None:
    for authority in gateway.ca_certificates.repository.all():
        gateway.ca_certificates.remove(authority)
    if there:
        gateway.ca_certificates.create({"cert": make("ca", ca=True).cert})


def _rescope(gateway: Gateway, index: int, consumer: str | None) -> None:
    plugins = gateway.plugins.repository.all()
    if plugins:
        scope = None if consumer is None else {"username": consumer}
        gateway.plugins.update(str(plugins[index % len(plugins)].id), {"consumer": scope})


OPTIONAL = st.none() | NAMES
SCOPE = (
    st.fixed_dictionaries({"service": OPTIONAL, "route": OPTIONAL})
    | st.fixed_dictionaries({"consumer": NAMES, "route": OPTIONAL})
    | st.fixed_dictionaries({"consumer_group": NAMES, "route": OPTIONAL})
)

ACTIONS: st.SearchStrategy[Action] = st.one_of(
    NAMES.map(lambda n: lambda g: g.services.replace(n, {"host": "up.test"})),
    NAMES.map(lambda n: lambda g: g.services.delete(n)),
    st.tuples(NAMES, NAMES).map(
        lambda t: lambda g: g.routes.replace(t[0], {"paths": ["/"], "service": {"name": t[1]}})
    ),
    NAMES.map(lambda n: lambda g: g.routes.delete(n)),
    st.tuples(NAMES, st.integers(10, 12)).map(lambda t: lambda g: g.upstreams.replace(t[0], {"slots": t[1]})),
    NAMES.map(lambda n: lambda g: g.upstreams.delete(n)),
    st.tuples(NAMES, NAMES, st.integers(0, 2)).map(lambda t: lambda g: _target(g, *t)),
    st.tuples(NAMES, NAMES).map(
        lambda t: lambda g: g.targets.delete(t[1], {"upstream_id": g.upstreams.get(t[0]).id})
    ),
    st.tuples(NAMES, st.lists(NEW_NAMES, max_size=2)).map(
        lambda t: lambda g: g.certificates.replace(t[0], {**SHOWN, "snis": t[1]})
    ),
    NAMES.map(lambda n: lambda g: g.certificates.delete(n)),
    st.tuples(NAMES, NEW_NAMES).map(lambda t: lambda g: g.snis.update(t[0], {"name": t[1]})),
    NAMES.map(lambda n: lambda g: g.snis.delete(n)),
    st.booleans().map(lambda there: lambda g: _believe(g, there=there)),
    NAMES.map(lambda n: lambda g: g.consumers.replace(n, {"custom_id": f"id-{n}"})),
    st.tuples(NAMES, NAMES).map(lambda t: lambda g: g.consumers.update(t[0], {"username": t[1]})),
    NAMES.map(lambda n: lambda g: g.consumers.delete(n)),
    st.tuples(NAMES, st.sampled_from(Mode)).map(lambda t: lambda g: _attribute(g, *t)),
    st.tuples(NAMES, st.none() | PLANS).map(lambda t: lambda g: _entitle(g, *t)),
    st.tuples(PLANS, st.sampled_from([None, "https://portal.test/"])).map(
        lambda t: lambda g: g.shop.set([{"feature": "f", "plans": [t[0]], "addons": []}], t[1])
    ),
    st.tuples(KEYS, st.sampled_from([0, 60])).map(
        lambda t: lambda g: g.key_auths.update(t[0], {"ttl": t[1]})
    ),
    KEYS.map(lambda k: lambda g: g.key_auths.rotate(g.key_auths.get(k).id, timedelta(days=1))),
    st.tuples(NAMES, KEYS).map(
        lambda t: lambda g: g.key_auths.create({"consumer": {"username": t[0]}, "key": t[1]})
    ),
    st.tuples(KEYS, KEYS).map(lambda t: lambda g: g.key_auths.update(t[0], {"key": t[1]})),
    st.tuples(KEYS, NAMES).map(
        lambda t: lambda g: g.key_auths.update(t[0], {"consumer": {"username": t[1]}})
    ),
    st.tuples(KEYS, KEYS).map(lambda t: lambda g: g.key_auths.update(t[0], {"key": t[1], "tags": ["x"]})),
    KEYS.map(lambda k: lambda g: g.key_auths.delete(k)),
    st.tuples(NAMES, NAMES).map(
        lambda t: lambda g: g.acls.create({"consumer": {"username": t[0]}, "group": t[1]})
    ),
    st.tuples(NAMES, NAMES).map(
        lambda t: lambda g: g.acls.delete(t[1], {"consumer_id": g.consumers.get(t[0]).id})
    ),
    NAMES.map(lambda n: lambda g: g.consumer_groups.replace(n, {})),
    st.tuples(NAMES, NEW_NAMES).map(lambda t: lambda g: g.consumer_groups.update(t[0], {"name": t[1]})),
    NAMES.map(lambda n: lambda g: g.consumer_groups.delete(n)),
    st.tuples(NAMES, NAMES, st.booleans()).map(lambda t: lambda g: _member(g, t[0], t[1], there=t[2])),
    NAMES.map(lambda n: lambda g: g.consumer_groups.empty(g.consumer_groups.get(n).id)),
    SCOPE.map(lambda scope: lambda g: g.plugins.create(_scoped(scope))),
    st.tuples(st.integers(0, 5), OPTIONAL).map(lambda t: lambda g: _rescope(g, *t)),
)
"""One change each; those that make no sense in the present state are refused and change nothing."""

TRANSACTIONS = st.lists(
    st.tuples(st.lists(ACTIONS, min_size=1, max_size=3), st.sampled_from(["send", "keep", "refuse"])),
    max_size=10,
)
"""What is done, and whether it is sent at once, later together with more, or refused by the engine."""


@settings(max_examples=EXAMPLES, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(TRANSACTIONS)
def test_deltas_amount_to_a_full_resync(transactions: list[tuple[list[Action], str]]) -> None:
    with tempfile.TemporaryDirectory() as folder:
        database = migrated(Path(folder))
        engine = Engine()
        store = open_store(database, engine)
        source = SqlConfigurationSource(database, VAULT)
        follower = _resync(source)
        store.import_consumers(
            ImportRow(username=name, keys=(f"key-number-{number}",)) for number, name in enumerate("abc")
        )
        with store.write() as gateway:
            _furnish(gateway)
        for actions, fate in transactions:
            engine.refuse = _refuse if fate == "refuse" else lambda: None
            _write(store, actions)
            _compare_remembered_base(store)
            if fate == "send":
                _follow(source, follower)
        _follow(source, follower)
        fresh = _resync(source)
        assert follower.version == fresh.version
        assert follower.base == fresh.base
        assert follower.tables == fresh.tables
        database.close()


def _furnish(gateway: Gateway) -> None:
    """Some of everything, so that most actions find what they need."""
    for name in "abc":
        gateway.services.create({"name": name, "host": "up.test"})
        gateway.routes.create({"name": name, "paths": ["/"], "service": {"name": name}})
        gateway.consumer_groups.create({"name": name})
        gateway.upstreams.create({"name": name})
        _target(gateway, name, "a", 1)
        gateway.certificates.create({**SHOWN, "snis": [name]})
        for consumer in "ab":
            _member(gateway, name, consumer, there=True)
    gateway.plugins.create(_scoped({"consumer": "a"}))
    gateway.plugins.create(_scoped({"consumer": "b", "route": "b"}))
    gateway.acls.create({"consumer": {"username": "a"}, "group": "a"})


def _refuse() -> None:
    raise InvalidInput("routes[0]", "odd")


def _write(store: GatewayStore, actions: list[Action]) -> None:
    try:
        with store.write() as gateway:
            for action in actions:
                action(gateway)
    except KongError:
        pass  # all of it was undone


def _compare_remembered_base(store: GatewayStore) -> None:
    """What the store remembers of the base, undone transactions in between, is what is there."""
    with store.database.read() as connection:
        assert store._cache.read(connection, None) == BaseCache(VAULT).read(connection, None)


def _follow(source: SqlConfigurationSource, follower: Replica) -> None:
    assert follower.version is not None
    with source.read() as reader:
        found = updates.delta(reader, follower.version)
    assert found is not None
    follower.apply(found[0])


def _resync(source: SqlConfigurationSource) -> Replica:
    replica = Replica()
    with source.read() as reader:
        for frame in updates.full(reader):
            replica.apply(frame)
    return replica
