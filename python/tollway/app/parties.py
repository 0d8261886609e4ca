"""What invoices say of the seller."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import replace

from tollway.app.subscriptions import default_seller
from tollway.billing.models import SellerEntity, TaxId
from tollway.kernel.clock import Clock
from tollway.kernel.currency import currency as known_currency
from tollway.kernel.errors import InvalidInput
from tollway.storage.commerce import Commerce
from tollway.storage.database import Database

__all__ = ["set_seller"]

_LONGEST = 200
_PREFIX = re.compile(r"[A-Za-z0-9/-]{0,16}")


def set_seller(
    main: Database,
    clock: Clock,
    *,
    name: str | None = None,
    address: Sequence[str] | None = None,
    country: str | None = None,
    tax_ids: Sequence[str] | None = None,
    currency: str | None = None,
    invoice_prefix: str | None = None,
) -> SellerEntity:
    """Change what is given of the default seller entity, and return it. `tax_ids` are `KIND=VALUE`.

    Raises:
        InvalidInput: names the option that is wrong.
    """
    if country is not None and not re.fullmatch(r"[A-Z]{2}", country):
        raise InvalidInput("--country", f"{country!r} is no ISO 3166 code", "write two capitals, e.g. IE")
    if invoice_prefix is not None and not _PREFIX.fullmatch(invoice_prefix):
        raise InvalidInput(
            "--invoice-prefix", f"{invoice_prefix!r} can't be used", "write up to 16 letters, digits, / and -"
        )
    for option, text in [("--name", name), *(("--address", line) for line in address or ())]:
        if text is not None and (not text.strip() or len(text) > _LONGEST):
            raise InvalidInput(option, "empty or too long", f"write 1 to {_LONGEST} characters")
    if currency is not None:
        known_currency(currency, "--currency")
    with main.write() as connection:
        parties = Commerce(connection, clock).parties
        seller = default_seller(Commerce(connection, clock), clock.now())
        details = replace(
            seller.details,
            name=seller.details.name if name is None else name.strip(),
            address=seller.details.address if address is None else tuple(address),
            country=seller.details.country if country is None else country,
            tax_ids=seller.details.tax_ids if tax_ids is None else tuple(map(_tax_id, tax_ids)),
        )
        changed = replace(
            seller,
            details=details,
            home_currency=seller.home_currency if currency is None else currency,
            invoice_prefix=seller.invoice_prefix if invoice_prefix is None else invoice_prefix,
        )
        if changed != seller:
            parties.save_seller(changed)
    return changed


def _tax_id(text: str) -> TaxId:
    kind, separator, value = text.partition("=")
    if not separator or not re.fullmatch(r"[a-z_]{2,20}", kind) or not 2 <= len(value) <= 40:
        raise InvalidInput("--tax-id", f"{text!r} is no tax id", "write KIND=VALUE, e.g. eu_vat=IE1234567T")
    return TaxId(kind, value)
