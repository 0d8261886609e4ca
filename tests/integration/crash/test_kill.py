"""Gateway and worker are killed again and again under load, and no request is lost or counted twice."""

from __future__ import annotations

import os
import random
import signal
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.stack import Stack
from tests.support.traffic import Load, Upstream

KILLS = int(os.environ.get("TOLLWAY_TEST_KILLS", "22"))
"""`make crash` asks for many more."""

CATALOG = """
_format_version: "1.0"
currency: USD
meters:
  - {name: complete, aggregation: count}
  - {name: everything, aggregation: count, completion: any}
  - {name: successes, aggregation: count, filter: {status: ["2xx"]}, completion: any}
plans: []
"""

FAILPOINTS = {
    "gateway": [
        "proxy.before_append:40",
        "usage_log.before_append:40",
        "usage_log.reserved:40",
        "usage_log.after_append:40",
        "proxy.before_last_byte:40",
        "usage_log.segment_switch",
        "usage_log.segment_switched",
    ],
    "worker": ["metering.before_commit:3", "metering.after_commit:3"],
}
"""Places at which a role dies, and the how manieth time it gets there."""

KEY = "a-key-of-the-crash-test"


@pytest.fixture
def upstream() -> Iterator[Upstream]:
    with Upstream().running() as running:
        yield running


def _configure(stack: Stack, upstream: Upstream) -> None:
    (stack.folder / "catalog.yaml").write_text(CATALOG)
    stack.tollway("catalog", "apply", str(stack.folder / "catalog.yaml"))
    stack.admin("/services", name="api", url=f"http://127.0.0.1:{upstream.port}")
    stack.admin("/services/api/routes", name="all", paths=["/"])
    stack.admin("/services/api/plugins", name="key-auth")
    stack.admin("/consumers", username="pro_user_123")
    stack.admin("/consumers/pro_user_123/key-auth", key=KEY)
    stack.wait_ready()


def _check(stack: Stack, load: Load, upstream: Upstream) -> None:
    """Every acknowledged request is metered, each exactly once, and nothing is that upstream never saw."""
    stack.roles["gateway"].stop()
    events = stack.events()
    metered = Counter(event["request_id"] for event in events)
    acknowledged = set(load.acknowledged)
    counts = f"{len(acknowledged)} acknowledged, {len(metered)} metered, {len(upstream.seen)} seen upstream"
    faults = {
        "twice in an answer": len(load.acknowledged) - len(acknowledged),
        "lost": len(acknowledged - metered.keys()),
        "doubled": sum(times != 1 for times in metered.values()),
        "never seen upstream": len(metered.keys() - upstream.seen.keys()),
    }
    assert not any(faults.values()), f"{counts}; {faults}"
    assert {event["consumer"] for event in events} == {"pro_user_123"}
    assert stack.usage() == {
        "complete": sum(event["completion"] == "complete" for event in events),
        "everything": len(events),
        "successes": sum(200 <= event["status"] < 300 for event in events),
    }


@pytest.mark.timeout(120 + 10 * KILLS)
def test_killed_at_random_instants(tmp_path: Path, upstream: Upstream) -> None:
    dice = random.Random(2026)
    stack = Stack(tmp_path, TOLLWAY_GATEWAY_WORKERS="2")
    with stack.running():
        _configure(stack, upstream)
        with Load(stack.ports["proxy"], KEY, clients=4).running() as load:
            load.wait_for_more(100)
            for kill in range(KILLS):
                role = stack.roles[("gateway", "worker")[kill % 2]]
                time.sleep(dice.uniform(0.0, 0.3))
                role.kill()
                role.start()
                if role.name == "gateway":
                    load.wait_for_more(20)
        _check(stack, load, upstream)


@pytest.mark.timeout(600)  # the engine may have to be built
@pytest.mark.one_database
def test_killed_at_each_place(tmp_path: Path, upstream: Upstream, failpoint_package: Path) -> None:
    stack = Stack(tmp_path, package=failpoint_package, TOLLWAY_GATEWAY_WORKERS="2")
    with stack.running():
        _configure(stack, upstream)
        with Load(stack.ports["proxy"], KEY, clients=4).running() as load:
            for name, places in FAILPOINTS.items():
                role = stack.roles[name]
                for place in places:
                    role.kill()
                    role.start(TOLLWAY_FAILPOINT=place)
                    assert role.died_of() == signal.SIGKILL, place
                role.start()
                load.wait_for_more(50)
        _check(stack, load, upstream)
