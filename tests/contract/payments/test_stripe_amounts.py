"""What Stripe is asked to take, in currencies that it writes in a way of its own."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from tests.contract.payments.benches import StripeBench, saved, soon
from tests.support.stripe_fake import StripeFake
from tollway.billing.payments.results import ChargeRequest, PermanentFault, RefundRequest
from tollway.kernel.ids import new_id
from tollway.providers.payments.stripe.amounts import from_stripe, to_stripe


@pytest.mark.parametrize(
    ("code", "minor", "written"),
    [
        ("USD", 4900, 4900),
        ("JPY", 500, 500),
        ("ISK", 500, 50_000),  # no minor unit, two decimals there
        ("UGX", 500, 50_000),
        ("MGA", 50_000, 500),  # two decimals here, none there
        ("KWD", 5_120, 5_120),
    ],
)
def test_an_amount_is_written_as_stripe_reads_it(code: str, minor: int, written: int) -> None:
    assert to_stripe(minor, code) == written
    assert from_stripe(written, code) == minor


@pytest.mark.parametrize(("code", "minor"), [("KWD", 5_124), ("TND", 1), ("MGA", 50_020)])
def test_what_stripe_can_t_take_to_the_last_digit_is_refused(code: str, minor: int) -> None:
    with pytest.raises(PermanentFault, match="in steps of") as refused:
        to_stripe(minor, code)
    assert refused.value.code == "amount_not_payable"


def test_charges_and_refunds_are_written_so(tmp_path: Path, request: pytest.FixtureRequest) -> None:
    with StripeFake(request.getfixturevalue("stripe_mock")).running() as fake:
        bench = StripeBench(tmp_path, fake)
        card = saved(bench)
        asked = ChargeRequest(
            key="tollway-invoice-1-1",
            invoice=new_id(),
            invoice_number="INV-000001",
            amount=500,
            currency="ISK",
            account=card.account,
            method=card.method,
            started_at=soon(),
        )
        charge = bench.provider.charge(asked)
        assert (charge.amount, charge.currency) == (500, "ISK")
        there = fake.things[charge.reference]
        assert there["amount"] == 50_000
        with pytest.raises(PermanentFault):
            bench.provider.charge(replace(asked, currency="KWD", amount=5_124))
        wanted = RefundRequest(
            key="k", refund=new_id(), charge=charge.reference, amount=200, currency="ISK", started_at=soon()
        )
        refund = bench.provider.refund(wanted)
        assert refund.amount == 200
        assert fake.things[refund.reference]["amount"] == 20_000
        # Whoever has Stripe's dashboard writes what they like beside a refund.
        fake.things[refund.reference]["metadata"] = {"tollway_refund": "x"}
        assert bench.provider.refund_state(refund.reference).refund is None
