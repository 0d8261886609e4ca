"""The register of gateway nodes: invoices wait for each of them, until somebody retires it."""

from __future__ import annotations

from collections.abc import Sequence

from tollway.kernel.clock import Clock
from tollway.kernel.errors import Conflict, InvalidInput, NotFound
from tollway.metering.models import LogFault, NodeAct, NodeState
from tollway.metering.ports import UsageLog, UsageStorage

__all__ = ["Nodes"]

_LONGEST_REASON = 1024


class Nodes:
    """Shows nodes and retires them."""

    def __init__(self, log: UsageLog, storage: UsageStorage, clock: Clock) -> None:
        self._log = log
        self._storage = storage
        self._clock = clock

    def all(self) -> Sequence[NodeState]:
        """Return every registered node, ordered by name."""
        with self._storage.read() as store:
            return store.nodes()

    def faults(self) -> Sequence[LogFault]:
        """Return every stretch of the log that could not be metered."""
        with self._storage.read() as store:
            return store.faults()

    def acts(self) -> Sequence[NodeAct]:
        """Return what was decided about nodes, oldest first."""
        with self._storage.read() as store:
            return store.acts()

    def retire(self, name: str, *, actor: str, reason: str) -> NodeState:
        """Stop waiting for a node that is gone for good. `name` may be its first digits, if they are unique.

        What of its usage was not metered by now is in no invoice unless its log comes back.

        Raises:
            InvalidInput: no reason is given, or a very long one.
            NotFound: no node, or more than one, begins like this.
            Conflict: its gateway is running, or it is retired already.
        """
        if not reason.strip() or len(reason) > _LONGEST_REASON:
            raise InvalidInput(
                "--reason", "1 to 1024 characters are needed", "say why the node will not come back"
            )
        self._log.recover()
        running = {state.shard.node for state in self._log.view().shards if not state.closed}
        with self._storage.write() as store:
            found = [node for node in store.nodes() if node.node.startswith(name)]
            if len(found) != 1 or not name:
                raise NotFound("node", name, "tollway node list shows them")
            (node,) = found
            if node.retired_at is not None:
                raise Conflict(f"node {node.node} is retired already")
            if node.node in running:
                raise Conflict(f"node {node.node} is running; stop its gateway first")
            store.decide(NodeAct(node.node, "retire", actor, reason.strip(), self._clock.now()))
            return next(state for state in store.nodes() if state.node == node.node)
