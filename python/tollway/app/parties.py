"""What invoices say of the seller and of customers."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, replace

from tollway.app.subscriptions import default_seller
from tollway.billing.models import Customer, PartyDetails, SellerEntity, TaxId
from tollway.kernel.clock import Clock
from tollway.kernel.currency import currency as known_currency
from tollway.kernel.errors import InvalidInput, NotFound
from tollway.kernel.mode import Mode
from tollway.storage.commerce import Commerce
from tollway.storage.database import Database

__all__ = ["DetailsChange", "set_customer", "set_seller"]

_LONGEST = 200
_PREFIX = re.compile(r"[A-Za-z0-9/-]{0,15}[A-Za-z/-]|")


@dataclass(frozen=True, slots=True, kw_only=True)
class DetailsChange:
    """What is to change of a party's details; None stays as it is. `tax_ids` are `KIND=VALUE`.

    Raises:
        InvalidInput: names the option that is wrong.
    """

    name: str | None = None
    address: Sequence[str] | None = None
    country: str | None = None
    tax_ids: Sequence[str] | None = None

    def __post_init__(self) -> None:
        for option, text in [("--name", self.name), *(("--address", line) for line in self.address or ())]:
            if text is not None and (not text.strip() or len(text) > _LONGEST):
                raise InvalidInput(option, "empty or too long", f"write 1 to {_LONGEST} characters")
        if self.country is not None and not re.fullmatch(r"[A-Z]{2}", self.country):
            raise InvalidInput(
                "--country", f"{self.country!r} is no ISO 3166 code", "write two capitals, e.g. IE"
            )
        for tax_id in self.tax_ids or ():
            _tax_id(tax_id)

    def of(self, details: PartyDetails) -> PartyDetails:
        """Return the details as they are after the change."""
        return PartyDetails(
            name=details.name if self.name is None else self.name.strip(),
            address=details.address if self.address is None else tuple(self.address),
            country=details.country if self.country is None else self.country,
            tax_ids=details.tax_ids if self.tax_ids is None else tuple(map(_tax_id, self.tax_ids)),
        )


def set_seller(
    main: Database,
    clock: Clock,
    change: DetailsChange,
    *,
    currency: str | None = None,
    invoice_prefix: str | None = None,
) -> SellerEntity:
    """Change what is given of the default seller entity, and return it.

    Raises:
        InvalidInput: names the option that is wrong.
    """
    if invoice_prefix is not None and not _PREFIX.fullmatch(invoice_prefix):
        raise InvalidInput(
            "--invoice-prefix",
            f"{invoice_prefix!r} can't be used",
            "write up to 16 letters, digits, / and -, the last no digit: the number follows",
        )
    if invoice_prefix is not None and invoice_prefix.upper().startswith("TEST-"):
        raise InvalidInput(
            "--invoice-prefix", "TEST- begins the numbers of test invoices", "write another prefix"
        )
    if currency is not None:
        known_currency(currency, "--currency")
    with main.write() as connection:
        commerce = Commerce(connection, clock)
        seller = default_seller(commerce, clock.now())
        changed = replace(
            seller,
            details=change.of(seller.details),
            home_currency=seller.home_currency if currency is None else currency,
            invoice_prefix=seller.invoice_prefix if invoice_prefix is None else invoice_prefix,
        )
        if changed != seller:
            commerce.parties.save_seller(changed)
    return changed


def set_customer(main: Database, clock: Clock, name: str, mode: Mode, change: DetailsChange) -> Customer:
    """Change what is given of a customer's details, and return it.

    Raises:
        NotFound: there is no such customer.
    """
    with main.write() as connection:
        parties = Commerce(connection, clock).parties
        customer = parties.customer_named(name, mode)
        if customer is None:
            raise NotFound(f"{mode.value} customer", name, "a subscription makes one of its consumer's name")
        changed = replace(customer, details=change.of(customer.details))
        if changed != customer:
            parties.save_customer(changed)
    return changed


def _tax_id(text: str) -> TaxId:
    kind, separator, value = text.partition("=")
    if not separator or not re.fullmatch(r"[a-z_]{2,20}", kind) or not 2 <= len(value) <= 40:
        raise InvalidInput("--tax-id", f"{text!r} is no tax id", "write KIND=VALUE, e.g. eu_vat=IE1234567T")
    return TaxId(kind, value)
