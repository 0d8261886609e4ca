"""`tollway seller` and `tollway customer`: who is named on invoices."""

from __future__ import annotations

from typing import Annotated, Any

import typer

from tollway.billing.models import Customer, PartyDetails, SellerEntity
from tollway.cli.main import app
from tollway.cli.opening import opened_seller
from tollway.cli.output import DEFAULT_OUTPUT, OutputOption, emit
from tollway.kernel.mode import Mode

__all__: list[str] = []

seller_app = typer.Typer(help="Who issues the invoices.", no_args_is_help=True, rich_markup_mode=None)
app.add_typer(seller_app, name="seller")
customer_app = typer.Typer(help="Who pays.", no_args_is_help=True, rich_markup_mode=None)
app.add_typer(customer_app, name="customer")

NameOption = Annotated[str | None, typer.Option("--name", help="Legal name.")]
AddressOption = Annotated[
    list[str] | None, typer.Option("--address", help="A line of the address; repeat it.")
]
CountryOption = Annotated[str | None, typer.Option("--country", help="ISO 3166 code, e.g. IE.")]
TaxIdOption = Annotated[
    list[str] | None, typer.Option("--tax-id", help="KIND=VALUE, e.g. eu_vat=IE1234567T; repeat it.")
]


@seller_app.command("set")
def set_seller_details(
    *,
    name: NameOption = None,
    address: AddressOption = None,
    country: CountryOption = None,
    tax_id: TaxIdOption = None,
    currency: Annotated[str | None, typer.Option(help="Home currency, e.g. EUR.")] = None,
    invoice_prefix: Annotated[str | None, typer.Option(help="What invoice numbers begin with.")] = None,
    output: OutputOption = DEFAULT_OUTPUT,
) -> None:
    """Set what invoices say of the seller; what isn't given stays. Final invoices keep what they say.

    Example: tollway seller set --name "Atlas Data" --address "1 Quay Street" --address Boston --country US
    """
    from tollway.app.parties import DetailsChange, set_seller

    change = DetailsChange(name=name, address=address, country=country, tax_ids=tax_id)
    with opened_seller() as opened:
        seller = set_seller(
            opened.usage.main, opened.clock, change, currency=currency, invoice_prefix=invoice_prefix
        )
        emit(_seller(seller), output)


@seller_app.command("show")
def show_seller(output: OutputOption = DEFAULT_OUTPUT) -> None:
    """Show what invoices say of the seller.

    Example: tollway seller show
    """
    from tollway.app.parties import DetailsChange, set_seller

    with opened_seller() as opened:
        emit(_seller(set_seller(opened.usage.main, opened.clock, DetailsChange())), output)


@customer_app.command("set")
def set_customer_details(
    customer: Annotated[str, typer.Option("--customer", help="The customer, by the name it has here.")],
    *,
    mode: Annotated[Mode, typer.Option(help="Which of the two customers of that name.")] = Mode.LIVE,
    name: NameOption = None,
    address: AddressOption = None,
    country: CountryOption = None,
    tax_id: TaxIdOption = None,
    output: OutputOption = DEFAULT_OUTPUT,
) -> None:
    """Set what invoices say of a customer; what isn't given stays. Final invoices keep what they say.

    Example: tollway customer set --customer acme --name "Acme GmbH" --address "Hafenstr. 1" --country DE
    """
    from tollway.app.parties import DetailsChange, set_customer

    change = DetailsChange(name=name, address=address, country=country, tax_ids=tax_id)
    with opened_seller() as opened:
        emit(_customer(set_customer(opened.usage.main, opened.clock, customer, mode, change)), output)


def _seller(seller: SellerEntity) -> dict[str, Any]:
    return {
        **_details(seller.details),
        "currency": seller.home_currency,
        "invoice_prefix": seller.invoice_prefix,
    }


def _customer(customer: Customer) -> dict[str, Any]:
    return {
        "customer": customer.name,
        "mode": customer.mode.value,
        **_details(customer.details),
        "currency": customer.billing_currency,
    }


def _details(details: PartyDetails) -> dict[str, Any]:
    return {
        "name": details.name,
        "address": ", ".join(details.address) or None,
        "country": details.country,
        "tax_ids": ", ".join(f"{tax_id.kind}={tax_id.value}" for tax_id in details.tax_ids) or None,
    }
