"""What the page that takes a first plan works with; `app/joining.py` implements it."""

from __future__ import annotations

from typing import Protocol
from uuid import UUID

from tollway.accounts.models import Organisation
from tollway.billing.models import Subscription

__all__ = ["Joining"]


class Joining(Protocol):
    """Organisations and what they subscribe to."""

    def subscription(self, organisation: Organisation) -> Subscription | None:
        """Return the organisation's subscription, if it has one that is not over."""

    def take_plan(self, organisation: UUID, plan: str) -> Organisation:
        """Subscribe it to a plan. Raises `NotFound`, `Conflict` (it has a subscription)."""
