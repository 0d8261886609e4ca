"""Setting a shop up, and what of it is still to do."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

from tollway.billing.models import SellerEntity

__all__ = ["SellerDraft", "SetupState", "ShopSetup"]


@dataclass(frozen=True, slots=True, kw_only=True)
class SellerDraft:
    """Who issues invoices, as a form has it. A tax id without a value is none."""

    name: str
    address: tuple[str, ...]
    country: str
    tax_kind: str
    tax_value: str
    currency: str
    invoice_prefix: str


@dataclass(frozen=True, slots=True, kw_only=True)
class SetupState:
    """What there is: the seller that issues invoices, how many services and plans, where customers go."""

    seller: SellerEntity | None
    services: int
    routes: int
    plans: int
    portal_name: str
    portal_folder: str | None

    @property
    def seller_known(self) -> bool:
        """Whether invoices can name their issuer."""
        return self.seller is not None and bool(self.seller.details.name and self.seller.details.country)


class ShopSetup(Protocol):
    """First-run setup; each step can be done later, too."""

    def state(self) -> SetupState:
        """Return what there is."""

    def save_seller(self, draft: SellerDraft) -> None:
        """Say who issues invoices.

        Raises:
            InvalidInput: its location is the draft's field.
        """
