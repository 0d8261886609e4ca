"""What billing refuses.

TollwayError
├── InvalidInput
│   └── DetailMissing            an invoice can't be finalised: names the field and how to set it
└── Conflict
    ├── SubscriptionConflict     the subscription's present state forbids it
    ├── CurrencyFixed            a customer is billed in one currency
    └── AlreadyFinalised         a finalised invoice never changes
"""

from __future__ import annotations

from tollway.kernel.errors import Conflict, InvalidInput

__all__ = [
    "AlreadyFinalised",
    "CurrencyFixed",
    "DetailMissing",
    "PreviewOvertaken",
    "SubscriptionConflict",
]


class DetailMissing(InvalidInput):
    """A detail that the seller's country demands on an invoice isn't there."""


class SubscriptionConflict(Conflict):
    """The subscription's present state forbids what was asked."""


class PreviewOvertaken(SubscriptionConflict):
    """Something was billed or changed since the preview that was agreed to: it would cost something else."""


class CurrencyFixed(Conflict):
    """A customer is billed in one currency, fixed by the first finalised invoice."""


class AlreadyFinalised(Conflict):
    """A finalised invoice never changes."""
