"""What an operator reads and does: revenue, customers, invoices, tickets."""

from __future__ import annotations

import re
from datetime import timedelta

from tests.support.commerce import START
from tests.support.console import BackOffice
from tollway.app.helpdesk import Helpdesk
from tollway.app.payments import open_payments
from tollway.kernel.currency import currency
from tollway.kernel.money import Money
from tollway.storage.accounts import SqlPeople
from tollway.support.models import Author, Side, TicketStatus
from tollway.web.console.formats import money

DAY = timedelta(days=1)


def test_revenue_moves_towards_the_goal(office: BackOffice) -> None:
    operator = office.at_work()
    office.join("Acme", "free")
    assert "$0.00" in operator.get("/")
    # The movements are those of the calendar month.
    office.world.go_to(START.replace(month=2, day=10))
    office.join("Bolt", "pro")
    office.join("Crane", "enterprise")
    operator.get("/")
    words = operator.words
    assert "$548 .00" in words
    assert "+$548.00 since 1 Feb 2026 . 5.4 % of the goal" in words
    assert "New +$548.00 Expansion $0.00 Contraction $0.00 Churn $0.00" in words
    assert "Customers with a subscription 3 2 of them pay fees" in words
    assert "Where the $548.00 comes from" in words


def test_customers_are_found_by_name_and_plan(office: BackOffice) -> None:
    operator = office.at_work()
    for name, plan in (("Acme Freight", "pro"), ("Bolt 100%", "free"), ("Crane", "pro")):
        signed = office.join(name, plan)
        with office.shop.main.write() as connection:
            SqlPeople(connection).save_organisation(signed.organisation)
    operator.get("/customers")
    assert "3 customers" in operator.words
    operator.get("/customers?q=freight")
    assert "Acme Freight" in operator.words
    assert "Crane" not in operator.words
    operator.get("/customers?q=100%25")
    assert "1 customer " in operator.words
    operator.get("/customers?plan=pro")
    assert "Bolt" not in operator.words
    operator.get("/customers?q=nobody")
    assert "Nobody found" in operator.words


def test_a_customer_with_what_the_period_comes_to(office: BackOffice) -> None:
    signed = office.join("Acme", "pro")
    subscription = office.subscription(signed)
    with office.store.write() as gateway:
        key = gateway.key_auths.create({"consumer": {"id": str(signed.organisation.consumer)}})
    office.world.go_to(START + 2 * DAY)
    office.world.use(subscription, 110, START + DAY)
    office.world.worker.catch_up()
    operator = office.at_work()
    operator.get(f"/customers/{subscription.customer}")
    words = operator.words
    assert "Plan pro" in words
    assert "110 $1.30" in words
    assert "So far $50.30" in words
    assert "MRR $49.00" in words
    assert f"…{key.last_four}" in words
    assert "most 110 on 1 Feb" in words


def test_a_plan_is_changed_after_a_preview_that_the_invoice_equals(office: BackOffice) -> None:
    signed = office.join("Acme", "pro")
    office.world.run()
    office.world.go_to(START + 10 * DAY)
    customer = office.subscription(signed).customer
    operator = office.at_work()
    operator.get(f"/customers/{customer}/plan?plan=enterprise")
    assert operator.status == 200
    assert "enterprise, from now on" in operator.words
    promised = re.search(r"Now, before tax (\$[0-9.]+)", operator.words)
    assert promised is not None
    agreed = _hidden(operator.text)
    # A while passes between reading and agreeing, and costs nobody anything.
    office.world.go_to(START + 10 * DAY + timedelta(minutes=5))
    operator.post(f"/customers/{customer}/plan", plan="enterprise", **agreed)
    assert operator.location == f"/customers/{customer}"
    phase = office.subscription(signed).phases[-1]
    assert (phase.plan.plan.name, phase.starts_at) == ("enterprise", START + 10 * DAY)
    office.world.run()
    invoice = office.world.invoices(office.subscription(signed))[-1]
    assert money(Money(invoice.total, currency("USD"))) == promised[1]
    # The same again is refused, and said on the page.
    operator.post(f"/customers/{customer}/plan", plan="enterprise", **agreed)
    assert operator.status == 422
    assert "is on plan enterprise" in operator.words


def test_a_preview_that_is_too_old_is_shown_anew(office: BackOffice) -> None:
    signed = office.join("Acme", "pro")
    customer = office.subscription(signed).customer
    operator = office.at_work()
    for kind, name in (("plan", "enterprise"), ("add-on", "analytics")):
        field = kind.replace("-", "")
        operator.get(f"/customers/{customer}/{kind}?{field}={name}")
        agreed = _hidden(operator.text)
        office.world.go_to(office.clock.now() + timedelta(minutes=11))
        operator.post(f"/customers/{customer}/{kind}", **{field: name, **agreed})
        assert operator.status == 422
        assert "The preview is too old" in operator.words
        operator.post(f"/customers/{customer}/{kind}", **{field: name, "at": "now", "version": "x"})
        assert operator.status == 422
    assert len(office.subscription(signed).phases) == 1
    operator.post(f"/customers/{customer}/add-on", addon="analytics", **_hidden(operator.text))
    assert operator.status == 303
    operator.get(f"/customers/{customer}")
    assert "Add-on analytics" in operator.words


def _hidden(text: str) -> dict[str, str]:
    """What the confirming form says of the preview."""
    return dict(re.findall(r'name="(at|version)" value="([^"]+)"', text))


def test_a_subscription_is_cancelled_on_a_page_of_its_own(office: BackOffice) -> None:
    signed = office.join("Acme", "pro")
    customer = office.subscription(signed).customer
    operator = office.at_work()
    operator.post(f"/customers/{customer}/cancel", when="period_end")
    assert operator.status == 303
    ended = office.subscription(signed)
    assert ended.ends_at is not None
    operator.get(f"/customers/{customer}")
    assert "Ends 28 Feb 2026" in operator.words


def test_invoices_say_whether_they_are_paid(office: BackOffice) -> None:
    office.join("Acme", "pro")
    office.world.run()
    operator = office.at_work()
    operator.get("/invoices?unpaid=1")
    assert "INV-000001" in operator.words
    assert "$49.00 Due" in operator.words
    operator.get("/")
    assert "1 invoice is unpaid $49.00 is due." in operator.words
    operator.get("/invoices?status=draft")
    assert "No invoices" in operator.words
    operator.get("/invoices?status=nonsense&mode=strange&page=-1")
    assert operator.status == 200


def test_an_invoice_opens_and_downloads(office: BackOffice) -> None:
    signed = office.join("Acme", "pro")
    office.world.run()
    (invoice,) = office.world.invoices(office.subscription(signed))
    operator = office.at_work()
    operator.get(f"/invoices/{invoice.id}")
    assert "Plan pro" in operator.words
    answer = operator.client.get(f"/invoices/{invoice.id}/pdf")
    assert answer.content.startswith(b"%PDF")
    assert 'filename="INV-000001.pdf"' in answer.headers["content-disposition"]


def test_money_is_given_back_once_however_often_it_is_sent(office: BackOffice) -> None:
    signed = office.join("Acme", "pro")
    office.world.run()
    subscription = office.subscription(signed)
    (invoice,) = office.world.invoices(subscription)
    payments = open_payments(office.shop.main, office.shop.settings, office.clock)
    setup = payments.begin_setup(subscription.customer, "http://portal.example")
    payments.sandbox_choose(subscription.customer, setup.setup, "succeeds")
    payment = payments.collecting.collect(invoice.id)
    operator = office.at_work()
    operator.get(f"/customers/{subscription.customer}")
    assert "$49.00 Paid" in operator.words
    page = f"/payments/{payment.id}/refund"
    operator.get(page)
    refund = re.search(r'name="refund" value="([^"]+)"', operator.text)
    assert refund is not None
    for amount, problem in (
        ("0", "give more than 0"),
        ("50", "at most 49.00"),
        ("1.005", "2 decimals"),
        ("x", "no number"),
    ):
        operator.post(page, amount=amount, refund=refund[1])
        assert operator.status == 422, amount
        assert problem in operator.words, amount
    for _ in range(2):
        operator.post(page, amount="9.00", reason="An outage", refund=refund[1])
        assert operator.location == f"/invoices/{invoice.id}"
    assert payments.get(payment.id).refunded == 900
    operator.get(f"/invoices/{invoice.id}")
    assert "Partly refunded" in operator.words
    assert "Given back $9.00" in operator.words


def test_a_ticket_is_answered_and_closed(office: BackOffice) -> None:
    signed = office.join("Acme", "pro")
    desk = Helpdesk(office.shop.main, office.clock)
    ticket = desk.ask(
        signed.organisation.id, Author(Side.CUSTOMER, signed.user.id, signed.user.email), "Kosovo", "Where?"
    )
    operator = office.at_work()
    operator.get("/")
    assert "1 ticket waits for an answer" in operator.words
    operator.get("/tickets")
    assert "Kosovo" in operator.words
    operator.post(f"/tickets/{ticket.id}", text="  ")
    assert operator.status == 422
    assert "Fill this in." in operator.words
    operator.post(f"/tickets/{ticket.id}", text="It is **back**.")
    answered = desk.ticket(ticket.id)
    assert answered.status is TicketStatus.ANSWERED
    assert answered.messages[-1].author == Author(Side.OPERATOR, office.operator.id, "Tomas Nagy")
    assert "<strong>back</strong>" in operator.get(f"/tickets/{ticket.id}")
    operator.post(f"/tickets/{ticket.id}/close", page=f"/tickets/{ticket.id}")
    assert desk.ticket(ticket.id).status is TicketStatus.CLOSED
