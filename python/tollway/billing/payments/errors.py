"""What getting paid refuses.

TollwayError
├── InvalidInput                 (kernel) an amount or a reference that can't be
└── Conflict
    ├── PaymentConflict          the payment's present state forbids it
    └── LiveProviderRefused      money of test mode is never collected by a provider that moves real money
"""

from __future__ import annotations

from tollway.kernel.errors import Conflict

__all__ = ["LiveProviderRefused", "PaymentConflict"]


class PaymentConflict(Conflict):
    """The payment's present state forbids what was asked."""


class LiveProviderRefused(Conflict):
    """A test customer is never collected by a provider that moves real money."""
