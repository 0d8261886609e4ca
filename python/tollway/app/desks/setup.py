"""Setting a shop up: the seller, and what is still to do."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from tollway.app.parties import DetailsChange, set_seller
from tollway.app.subscriptions import DEFAULT_SELLER
from tollway.kernel.clock import Clock
from tollway.kernel.errors import InvalidInput
from tollway.storage.commerce import Commerce
from tollway.storage.gateway import GatewayStore
from tollway.web.console.ports.setup import SellerDraft, SetupState

__all__ = ["SetupDesk"]

_FIELDS: Mapping[str, str] = {
    "--name": "name",
    "--address": "address",
    "--country": "country",
    "--tax-id": "tax_value",
    "--currency": "currency",
    "--invoice-prefix": "invoice_prefix",
}
"""What commands call the fields of a form."""


class SetupDesk:
    """`tollway.web.console.ports.setup.ShopSetup`."""

    def __init__(
        self, gateways: GatewayStore, clock: Clock, *, portal_name: str, portal_folder: Path | None
    ) -> None:
        self._gateways = gateways
        self._clock = clock
        self._portal_name = portal_name
        self._portal_folder = portal_folder

    def state(self) -> SetupState:
        """See `ShopSetup.state`."""
        with self._gateways.database.read() as connection:
            gateway = self._gateways.over(connection)
            commerce = Commerce(connection, self._clock)
            return SetupState(
                seller=commerce.parties.seller_named(DEFAULT_SELLER),
                services=len(gateway.services.repository.all()),
                routes=len(gateway.routes.repository.all()),
                plans=len(commerce.catalog.plans()),
                portal_name=self._portal_name,
                portal_folder=None if self._portal_folder is None else str(self._portal_folder),
            )

    def save_seller(self, draft: SellerDraft) -> None:
        """See `ShopSetup.save_seller`."""
        try:
            change = DetailsChange(
                name=draft.name,
                address=draft.address,
                country=draft.country,
                tax_ids=[f"{draft.tax_kind}={draft.tax_value}"] if draft.tax_value else [],
            )
            set_seller(
                self._gateways.database,
                self._clock,
                change,
                currency=draft.currency,
                invoice_prefix=draft.invoice_prefix,
            )
        except InvalidInput as error:
            raise InvalidInput(
                _FIELDS.get(error.location, error.location), error.problem, error.fix
            ) from error
