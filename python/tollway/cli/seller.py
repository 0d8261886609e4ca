"""`tollway seller`: who issues the invoices."""

from __future__ import annotations

from typing import Annotated, Any

import typer

from tollway.billing.models import SellerEntity
from tollway.cli.main import app
from tollway.cli.opening import opened_seller
from tollway.cli.output import DEFAULT_OUTPUT, OutputOption, emit

__all__: list[str] = []

seller_app = typer.Typer(help="Who issues the invoices.", no_args_is_help=True, rich_markup_mode=None)
app.add_typer(seller_app, name="seller")


@seller_app.command("set")
def set_details(
    *,
    name: Annotated[str | None, typer.Option(help="Legal name.")] = None,
    address: Annotated[list[str] | None, typer.Option(help="A line of the address; repeat it.")] = None,
    country: Annotated[str | None, typer.Option(help="ISO 3166 code, e.g. IE.")] = None,
    tax_id: Annotated[list[str] | None, typer.Option(help="KIND=VALUE, e.g. eu_vat=IE1234567T.")] = None,
    currency: Annotated[str | None, typer.Option(help="Home currency, e.g. EUR.")] = None,
    invoice_prefix: Annotated[str | None, typer.Option(help="What invoice numbers begin with.")] = None,
    output: OutputOption = DEFAULT_OUTPUT,
) -> None:
    """Set what invoices say of the seller; what isn't given stays. Final invoices keep what they say.

    Example: tollway seller set --name "Atlas Data" --address "1 Quay Street" --address Boston --country US
    """
    from tollway.app.parties import set_seller

    with opened_seller() as seller:
        changed = set_seller(
            seller.usage.main,
            seller.clock,
            name=name,
            address=address,
            country=country,
            tax_ids=tax_id,
            currency=currency,
            invoice_prefix=invoice_prefix,
        )
        emit(_row(changed), output)


@seller_app.command()
def show(output: OutputOption = DEFAULT_OUTPUT) -> None:
    """Show what invoices say of the seller.

    Example: tollway seller show
    """
    from tollway.app.parties import set_seller

    with opened_seller() as seller:
        emit(_row(set_seller(seller.usage.main, seller.clock)), output)


def _row(seller: SellerEntity) -> dict[str, Any]:
    details = seller.details
    return {
        "name": details.name,
        "address": ", ".join(details.address) or None,
        "country": details.country,
        "tax_ids": ", ".join(f"{tax_id.kind}={tax_id.value}" for tax_id in details.tax_ids) or None,
        "currency": seller.home_currency,
        "invoice_prefix": seller.invoice_prefix,
    }
