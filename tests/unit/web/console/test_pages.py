"""What an operator reads and does: revenue, customers, invoices, tickets."""

from __future__ import annotations

from datetime import timedelta

from tests.support.commerce import START
from tests.support.console import BackOffice
from tollway.app.helpdesk import Helpdesk
from tollway.storage.accounts import SqlPeople
from tollway.support.models import Author, Side, TicketStatus

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
    operator.post(f"/customers/{customer}/plan", plan="enterprise")
    assert operator.location == f"/customers/{customer}"
    phase = office.subscription(signed).phases[-1]
    assert (phase.plan.plan.name, phase.starts_at) == ("enterprise", START + 10 * DAY)
    # The same again is refused, and said on the page.
    operator.post(f"/customers/{customer}/plan", plan="enterprise")
    assert operator.status == 422
    assert "is on plan enterprise" in operator.words


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
