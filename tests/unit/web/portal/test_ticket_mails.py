"""A mail for each message, to the other side, and only if the message is stored."""

from __future__ import annotations

import pytest

from tests.support.mails import Mailbox, link
from tests.support.portal import Storefront
from tollway.accounts.models import Membership, MembershipRole, Operator, SignedIn
from tollway.app.helpdesk import Helpdesk
from tollway.app.ticket_mails import open_helpdesk
from tollway.kernel.errors import InvalidInput
from tollway.kernel.ids import new_id
from tollway.storage.accounts import SqlOperators, SqlPeople
from tollway.support.models import Author, Side


def _stored(front: Storefront) -> SignedIn:
    signed = front.join("Meridian Freight", None)
    tomas = Operator(
        id=new_id(),
        email="tomas@atlas.example",
        name="Tomas",
        password_hash="x",
        created_at=front.clock.now(),
    )
    with front.shop.main.write() as connection:
        people = SqlPeople(connection)
        people.save_organisation(signed.organisation)
        people.save_user(signed.user)
        people.add_membership(
            Membership(
                organisation=signed.organisation.id,
                user=signed.user.id,
                role=MembershipRole.OWNER,
                created_at=signed.user.created_at,
            )
        )
        SqlOperators(connection).save_operator(tomas)
    return signed


@pytest.fixture
def desk(front: Storefront) -> Helpdesk:
    return open_helpdesk(front.shop)


def test_each_side_hears_of_the_other(front: Storefront, desk: Helpdesk) -> None:
    us, box = _stored(front), Mailbox()
    ines = Author(Side.CUSTOMER, us.user.id, us.user.email)
    ticket = desk.ask(us.organisation.id, ines, "Borders", "Why none?\n\nhttps://evil.example/login")
    asked = box.collect(front.shop.main, front.clock)
    assert asked.recipient == "tomas@atlas.example"
    assert asked.subject == f"[{ticket.reference}] Borders"
    assert "> Why none?" in asked.text
    assert "\n> https://evil.example/login" in asked.text
    assert f"/tickets/{ticket.id}" in asked.text
    desk.reply(ticket.id, Author(Side.OPERATOR, new_id(), "Tomas"), "<b>Soon</b>")
    answered = box.collect(front.shop.main, front.clock)
    assert answered.recipient == us.user.email
    assert link(answered) == f"/tickets/{ticket.id}"
    assert "<b>Soon" not in answered.html
    assert len(box.mails) == 2


def test_whoever_left_is_spared_and_the_rest_hears_of_it(front: Storefront, desk: Helpdesk) -> None:
    us, box = _stored(front), Mailbox()
    gone = Author(Side.CUSTOMER, new_id(), "left@meridian.example")
    ticket = desk.ask(us.organisation.id, gone, "s", "t")
    desk.reply(ticket.id, Author(Side.OPERATOR, new_id(), "Tomas"), "answer")
    box.collect(front.shop.main, front.clock)
    assert [mail.recipient for mail in box.mails] == ["tomas@atlas.example", us.user.email]


def test_a_subject_adds_no_header_and_what_is_refused_sends_nothing(
    front: Storefront, desk: Helpdesk
) -> None:
    us, box = _stored(front), Mailbox()
    ines = Author(Side.CUSTOMER, us.user.id, us.user.email)
    ticket = desk.ask(us.organisation.id, ines, "Hello\r\nBcc: all@evil.example", "t")
    assert "\n" not in box.collect(front.shop.main, front.clock).subject
    with pytest.raises(InvalidInput):
        desk.reply(ticket.id, ines, "   ")
    box.collect(front.shop.main, front.clock)
    assert len(box.mails) == 1
