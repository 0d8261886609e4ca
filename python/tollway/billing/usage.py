"""What the parts of a subscription hold of each meter."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal

from tollway.billing.timeline import PartKey, PeriodPart
from tollway.metering.models import CursorVector, NodeState

__all__ = ["UsageOfParts"]

_NONE = Decimal(0)


@dataclass(frozen=True, slots=True)
class UsageOfParts:
    """What parts of a subscription hold of each meter, all read in one view of what has been metered."""

    quantities: Mapping[PartKey, Mapping[str, Decimal]]
    """Meter to quantity, per part."""
    cursors: CursorVector
    nodes: Sequence[NodeState]

    def quantity(self, part: PeriodPart, meter: str) -> Decimal:
        """Return what a part holds of a meter."""
        return self.quantities[part.key].get(meter, _NONE)

    @property
    def watermark(self) -> datetime | None:
        """Up to when the usage of every node that is waited for is complete, None if that isn't known."""
        marks = [node.watermark for node in self.nodes if node.retired_at is None]
        known = [mark for mark in marks if mark is not None]
        return min(known) if known and len(known) == len(marks) else None
