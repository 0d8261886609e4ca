"""The account: its name, and what invoices say of the organisation."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.portal import Visitor
from tests.support.street import Street
from tollway.billing.models import PartyDetails, TaxId

_DETAILS = {
    "legal_name": "Meridian Freight Ltd",
    "address": "1 Quay\r\n\r\n Dublin 2 ",
    "country": "ie",
    "tax_kind": "eu_vat",
    "tax_value": "IE 1234567-T",
}


@pytest.fixture
def street(tmp_path: Path) -> Iterator[Street]:
    street = Street(tmp_path)
    yield street
    street.close()


@pytest.fixture
def owner(street: Street) -> Visitor:
    visitor = street.signed_up()
    visitor.post("/start", plan="pro")
    return visitor


def _details(street: Street) -> PartyDetails:
    subscription = street.subscribing.of("meridian-freight")
    with street.world.main.read() as connection:
        return street.world.commerce(connection).parties.customer(subscription.customer).details


def test_what_invoices_say_is_the_customers(street: Street, owner: Visitor) -> None:
    owner.post("/account/details", page="/account", **_DETAILS)
    assert owner.location == "/account"
    assert _details(street) == PartyDetails(
        name="Meridian Freight Ltd",
        address=("1 Quay", "Dublin 2"),
        country="IE",
        tax_ids=(TaxId("eu_vat", "IE1234567T"),),
    )
    assert "1 Quay\nDublin 2</textarea>" in owner.get("/account")


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("legal_name", ""),
        ("address", ""),
        ("address", "x\n" * 7),
        ("country", "Ireland"),
        ("country", "1"),
        ("tax_kind", "made_up"),
        ("tax_value", "<script>"),
        ("tax_value", ""),
    ],
)
def test_a_faulty_field_is_named_and_all_that_was_typed_stays(
    street: Street, owner: Visitor, field: str, value: str
) -> None:
    before = _details(street)
    owner.post("/account/details", page="/account", **_DETAILS | {field: value})
    assert owner.status == 422
    assert f'id="{field}-error"' in owner.text
    if field != "legal_name":
        assert 'value="Meridian Freight Ltd"' in owner.text
    assert 'value="Meridian Freight"' in owner.text  # the other form is as it was
    assert _details(street) == before


def test_a_new_name_is_shown_and_the_slug_stays(street: Street, owner: Visitor) -> None:
    owner.post("/account/name", page="/account", name="Meridian <i>")
    assert "Meridian &lt;i&gt;" in owner.get("/account")
    assert street.subscribing.of("meridian-freight").consumer_name == "meridian-freight"
    owner.post("/account/name", page="/account", name="  ")
    assert owner.status == 422


def test_without_a_plan_there_is_nothing_to_say(street: Street) -> None:
    visitor = street.signed_up()
    assert 'action="/account/details"' not in visitor.get("/account")
    visitor.post("/account/details", page="/account", **_DETAILS)
    assert visitor.status == 409
