"""What a seller's country demands of an invoice, as far as it concerns the parties.

Sources: EU VAT directive 2006/112/EC, article 226 (names, addresses and the supplier's VAT number); UK VAT
Notice 700, section 16.3. Elsewhere a name and an address are asked for, which a payer's books need.
"""

from __future__ import annotations

from tollway.billing.errors import DetailMissing
from tollway.billing.models import PartyDetails
from tollway.kernel.mode import Mode

__all__ = ["check_supplier"]

_TAX_ID_NEEDED = "AT BE BG CY CZ DE DK EE ES FI FR GB GR HR HU IE IT LT LU LV MT NL PL PT RO SE SI SK"


def check_supplier(details: PartyDetails, mode: Mode, seller: str) -> None:
    """Check that a seller's details suffice to finalise an invoice.

    A test invoice is no document: it is finalised without, and shows what is missing.

    Raises:
        DetailMissing: names the field and the command that sets it.
    """
    if mode is Mode.TEST:
        return
    missing = None
    if not details.name:
        missing = ("name", '--name "Atlas Data Ltd"')
    elif not details.address:
        missing = ("address", '--address "1 Quay Street" --address "Dublin"')
    elif not details.country:
        missing = ("country", "--country IE")
    elif details.country in _TAX_ID_NEEDED.split() and not details.tax_ids:
        missing = ("tax_ids", "--tax-id eu_vat=IE1234567T")
    if missing is not None:
        field, example = missing
        raise DetailMissing(
            f"seller.{field}",
            f"needed on an invoice, and seller {seller!r} has none",
            f"set it: tollway seller set {example}",
        )
