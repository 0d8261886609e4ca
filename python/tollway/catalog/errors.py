"""The catalog's errors.

TollwayError
└── InvalidInput
    └── CatalogFaults   everything that is wrong with what a seller wrote, not the first fault alone
"""

from __future__ import annotations

from collections.abc import Sequence

from tollway.kernel.errors import InvalidInput

__all__ = ["CatalogFaults"]


class CatalogFaults(InvalidInput):
    """At least one fault; as text, one line for each. `location`, `problem` and `fix` are the first one's."""

    def __init__(self, faults: Sequence[InvalidInput]) -> None:
        self.faults = tuple(faults)
        first = self.faults[0]
        super().__init__(first.location, first.problem, first.fix)

    def __str__(self) -> str:
        return "\n".join(str(fault) for fault in self.faults)
