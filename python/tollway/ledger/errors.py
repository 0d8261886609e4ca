"""What the ledger refuses.

TollwayError
├── UnbalancedTransaction   entries that do not sum to zero in some currency: a fault in our own code
└── Conflict
    └── KeyReused           one business key, two different transactions
"""

from __future__ import annotations

from tollway.kernel.errors import Conflict, TollwayError

__all__ = ["KeyReused", "UnbalancedTransaction"]


class UnbalancedTransaction(TollwayError):
    """Entries that do not sum to zero in some currency."""


class KeyReused(Conflict):
    """A business key that already names a transaction with other entries."""
