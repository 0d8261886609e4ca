from __future__ import annotations

import pytest

from tests.unit.metering.fakes import NODE, NOON, SHARD, FakeLog, FixedMeters, event, meter
from tests.unit.metering.test_intake import OTHER, caught_up, intake
from tollway.kernel.clock import ManualClock
from tollway.kernel.errors import Conflict, InvalidInput, NotFound
from tollway.metering.models import NodeAct
from tollway.metering.nodes import Nodes
from tollway.metering.ports import UsageStorage


@pytest.fixture
def nodes(log: FakeLog, storage: UsageStorage) -> Nodes:
    log.append(event())
    log.append(event(), shard=OTHER)
    log.closed = {SHARD}
    caught_up(intake(log, storage, FixedMeters(meter())))
    return Nodes(log, storage, ManualClock(NOON))


def test_a_dead_node_is_retired_with_who_and_why(nodes: Nodes) -> None:
    retired = nodes.retire(NODE, actor="ann", reason=" its disk burnt ")
    assert retired.retired_at == NOON
    assert [node.retired_at for node in nodes.all()] == [NOON, None]
    assert nodes.acts() == [NodeAct(NODE, "retire", "ann", "its disk burnt", NOON)]
    with pytest.raises(Conflict, match="retired already"):
        nodes.retire(NODE, actor="ann", reason="again")


def test_a_running_node_is_not_retired(nodes: Nodes) -> None:
    with pytest.raises(Conflict, match="is running; stop its gateway first"):
        nodes.retire(OTHER.node, actor="ann", reason="by mistake")


@pytest.mark.parametrize("name", ["", "0", "f"])
def test_a_name_must_mean_one_node(nodes: Nodes, name: str) -> None:
    with pytest.raises(NotFound, match="tollway node list shows them"):
        nodes.retire(name, actor="ann", reason="gone")


@pytest.mark.parametrize("reason", ["", "  ", "x" * 1025])
def test_a_reason_is_needed(nodes: Nodes, reason: str) -> None:
    with pytest.raises(InvalidInput, match="--reason: 1 to 1024 characters"):
        nodes.retire(NODE, actor="ann", reason=reason)
