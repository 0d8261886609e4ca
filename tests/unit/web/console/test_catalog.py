"""Plans in a form: what is typed becomes a version, and what is wrong is told beside its field."""

from __future__ import annotations

import re
from html import unescape

from tests.support.console import BackOffice
from tests.support.portal import Visitor
from tollway.catalog.canonical import plan_from_data
from tollway.catalog.models import Meter
from tollway.catalog.parse import parse_catalog
from tollway.catalog.versions import PlanVersion
from tollway.kernel.currency import currency
from tollway.storage.commerce import Commerce
from tollway.web.console.plan_form import PlanFields, initial_fields

METERS = [Meter("api_calls")]
FULL = {
    "name": "full",
    "rate_limit": {"minute": 60, "day": 5000},
    "features": ["data_v1", "data_v2"],
    "quota": {"api_calls": 100000},
    "interval": "quarter",
    "billing": "calendar",
    "timezone": "Europe/Berlin",
    "prices": [
        {"model": "flat", "amount": "49", "percent_discount": "10"},
        {
            "model": "graduated",
            "meter": "api_calls",
            "minimum": "5",
            "tiers": [
                {"up_to": "100", "unit_amount": "0.02", "flat_amount": "1", "tier_cap": "3"},
                {"up_to": None, "unit_amount": "0.01"},
            ],
        },
        {
            "model": "package",
            "meter": "api_calls",
            "package_size": "1000",
            "package_amount": "2",
            "package_rounding": "down",
            "unit_conversion": {"operation": "divide", "factor": "3", "quantity_rounding": "ceil"},
        },
        {"model": "per_unit", "meter": "api_calls", "unit_amount": "0.001", "free_units": "10"},
        {"model": "volume", "meter": "api_calls", "tiers": [{"up_to": None, "unit_amount": "0.5"}]},
    ],
}


def _plan(office: BackOffice, name: str) -> PlanVersion | None:
    with office.shop.main.read() as connection:
        return Commerce(connection, office.clock).catalog.plan(name)


def test_a_form_keeps_all_of_a_plan() -> None:
    plan = plan_from_data(FULL)
    catalog = PlanFields(initial_fields(plan), METERS).read(currency("USD"))
    assert catalog is not None
    assert catalog.plans == (plan,)


def test_rows_come_and_go_and_keep_what_was_typed() -> None:
    fields = PlanFields(initial_fields(plan_from_data(FULL)), METERS)
    assert fields.apply("remove-1")
    assert fields.apply("add-flat")
    assert not fields.apply("preview")
    assert not fields.apply("remove-99")
    assert [row.model for row in fields.prices] == ["flat", "package", "per_unit", "volume", "flat"]
    assert fields.value("p1.package_size") == "1000"
    assert fields.value("p4.amount") == ""
    assert fields.apply("tier-3")
    assert fields.prices[3].tiers == 2


def test_a_new_plan_is_previewed_and_published(office: BackOffice) -> None:
    operator = office.at_work()
    typed = {
        "name": "starter",
        "interval": "month",
        "billing": "anniversary",
        "timezone": "UTC",
        "prices": "2",
        "p0.model": "flat",
        "p0.amount": "19.00",
        "p1.model": "graduated",
        "p1.tiers": "2",
        "p1.meter": "api_calls",
        "p1.t0.up_to": "1000",
        "p1.t0.unit_amount": "0",
        "p1.t1.unit_amount": "0.01",
        "rate.minute": "100",
        "try.api_calls": "1,500",
    }
    operator.post("/catalog/new-plan", **typed, do="preview")
    assert operator.status == 200
    assert "A month $24.00" in operator.words
    assert _plan(office, "starter") is None
    operator.post("/catalog/new-plan", **typed, do="publish")
    assert operator.location == "/catalog"
    published = _plan(office, "starter")
    assert published is not None
    assert published.version == 1
    with office.store.read() as gateway:
        group = gateway.consumer_groups.repository.find(name="starter")
        assert group is not None
        (limit,) = gateway.plugins.repository.all(consumer_group_id=group.id)
        assert limit.config["minute"] == 100
    # A second plan of the name would be a change of this one that nobody asked for.
    operator.post("/catalog/new-plan", **typed, do="publish")
    assert operator.status == 422
    assert "there is a plan 'starter' already" in operator.words


def test_a_plan_that_moved_on_is_not_overwritten(office: BackOffice) -> None:
    operator = office.at_work()
    plan = _plan(office, "pro")
    assert plan is not None
    typed = dict(initial_fields(plan.plan)) | {"base": "1", "p0.amount": "59.00"}
    typed |= {f"p{row}.tiers": "2" for row in (1,)}
    _publish(operator, typed)
    assert operator.status == 303
    typed["p0.amount"] = "69.00"
    _publish(operator, typed)
    assert operator.status == 422
    assert "version 2 of plan 'pro' was published meanwhile" in operator.words
    newest = _plan(office, "pro")
    assert newest is not None
    assert newest.version == 2


def test_faults_stand_beside_their_fields(office: BackOffice) -> None:
    operator = office.at_work()
    typed = {
        "name": "starter",
        "interval": "month",
        "billing": "anniversary",
        "timezone": "Mars/Olympus",
        "prices": "2",
        "p0.model": "flat",
        "p0.amount": "a lot",
        "p1.model": "graduated",
        "p1.tiers": "2",
        "p1.meter": "api_calls",
        "p1.t0.up_to": "10",
        "p1.t0.unit_amount": "",
        "p1.t1.up_to": "5",
        "p1.t1.unit_amount": "1",
        "rate.minute": "many",
        "rate.hour": "-5",
    }
    text = operator.post("/catalog/new-plan", **typed, do="publish")
    assert operator.status == 422
    for field in ("timezone", "p0.amount", "p1.t0.unit_amount", "rate.minute", "rate.hour"):
        assert f'id="{field}-error"' in text, field
    assert 'value="a lot"' in text
    assert _plan(office, "starter") is None


def test_the_catalog_as_a_file_is_the_catalog(office: BackOffice) -> None:
    operator = office.at_work()
    text = operator.client.get("/catalog/file").text
    written = text.split('spellcheck="false">\n')[1].split("</textarea>")[0]
    parsed = parse_catalog(unescape(written).encode(), "catalog.yaml")
    with office.shop.main.read() as connection:
        catalog = Commerce(connection, office.clock).catalog
        assert [plan.name for plan in parsed.plans] == [version.plan.name for version in catalog.plans()]
        assert list(parsed.plans) == [version.plan for version in catalog.plans()]
        assert list(parsed.meters) == list(catalog.meters())
        assert list(parsed.addons) == [version.addon for version in catalog.addons()]
    operator.post("/catalog/file", text=unescape(written))
    assert operator.location == "/catalog"
    operator.post("/catalog/file", text="plans: [{name: x, prices: 3}]")
    assert operator.status == 422
    assert "catalog.yaml:1" in operator.words


def _publish(operator: Visitor, typed: dict[str, str]) -> None:
    operator.post("/catalog/plans/pro", do="publish", **typed)


def test_subscriptions_are_counted_by_the_version_they_took(office: BackOffice) -> None:
    for name in ("Acme", "Bolt"):
        office.join(name, "pro")
    operator = office.at_work()
    plan = _plan(office, "pro")
    assert plan is not None
    _publish(operator, dict(initial_fields(plan.plan)) | {"base": "1", "p0.amount": "59.00"})
    office.join("Crane", "pro")
    operator.get("/catalog/plans/pro")
    assert "Version 2, in force 1 subscription Version 1 2 subscriptions" in operator.words
    operator.get("/catalog")
    assert re.search(r"pro 2 month \$59\.00 2 \S* ?3 ", operator.words)
