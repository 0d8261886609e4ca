"""Tickets on the portal: asked, answered, closed; nobody reads another organisation's."""

from __future__ import annotations

import re
from datetime import timedelta
from uuid import UUID, uuid4

import pytest

from tests.support.portal import Storefront, Visitor
from tollway.app.helpdesk import Helpdesk
from tollway.support.models import Author, Side

TOMAS = Author(Side.OPERATOR, uuid4(), "Tomas Nagy")


@pytest.fixture
def desk(front: Storefront) -> Helpdesk:
    return Helpdesk(front.shop.main, front.clock)


def _asked(visitor: Visitor, subject: str = "Borders", text: str = "*Why* none?") -> UUID:
    visitor.post("/tickets/new", subject=subject, text=text)
    assert visitor.status == 303
    found = re.fullmatch(r"/tickets/([0-9a-f-]{36})", visitor.location)
    assert found
    return UUID(found[1])


def test_a_question_is_asked_answered_closed_and_opened_again(front: Storefront, desk: Helpdesk) -> None:
    us = front.join("Meridian Freight")
    visitor = front.visitor(us)
    visitor.get("/tickets")
    assert "No tickets yet" in visitor.words
    ticket = _asked(visitor)
    page = visitor.get(f"/tickets/{ticket}")
    assert "<em>Why</em> none?" in page
    assert us.user.email in visitor.words
    assert "Waits for us" in visitor.words
    front.clock.advance(timedelta(minutes=5))
    desk.reply(ticket, TOMAS, "See `/v1/borders`.")
    assert "<code>/v1/borders</code>" in visitor.get(f"/tickets/{ticket}")
    assert "Answered" in visitor.words
    visitor.post(f"/tickets/{ticket}", text="Thanks")
    assert visitor.location == f"/tickets/{ticket}#last"
    visitor.post(f"/tickets/{ticket}/close", page=f"/tickets/{ticket}")
    visitor.get(f"/tickets/{ticket}")
    assert "This ticket is closed" in visitor.words
    visitor.post(f"/tickets/{ticket}/reopen", page=f"/tickets/{ticket}")
    visitor.get("/tickets")
    assert "Borders Waits for us 3" in visitor.words
    visitor.get(f"/tickets/{ticket}")
    assert len(desk.ticket(ticket).messages) == 3


def test_what_was_typed_comes_back_with_the_fault_beside_it(front: Storefront) -> None:
    visitor = front.visitor(front.join("Meridian Freight"))
    page = visitor.post("/tickets/new", subject="", text="A long question")
    assert visitor.status == 422
    assert "A long question</textarea>" in page
    assert 'id="subject-error"' in page
    ticket = _asked(visitor)
    page = visitor.post(f"/tickets/{ticket}", text="x" * 20_001)
    assert visitor.status == 422
    assert "At most 20,000 characters" in page
    assert "x" * 20_001 in page


def test_hostile_tickets_are_shown_as_text(front: Storefront) -> None:
    visitor = front.visitor(front.join("Meridian Freight"))
    ticket = _asked(
        visitor, '<script>alert("s")</script>', '<script>alert("t")</script>\n\n![x](http://e.example/)'
    )
    for path in ("/tickets", f"/tickets/{ticket}"):
        page = visitor.get(path)
        assert "<script>alert" not in page
        assert 'src="http' not in page
    assert 'alert("t")' in visitor.words


def test_another_organisations_ticket_is_not_there(front: Storefront, desk: Helpdesk) -> None:
    ticket = _asked(front.visitor(front.join("Meridian Freight")))
    stranger = front.visitor(front.join("Tidewater"))
    own = f"/tickets/{_asked(stranger, 'Mine', 'Mine')}"
    assert stranger.get(f"/tickets/{ticket}")
    assert stranger.status == 404
    for action in ("", "/close", "/reopen"):
        stranger.post(f"/tickets/{ticket}{action}", page=own, text="mine now")
        assert stranger.status == 404
    stranger.get("/tickets")
    assert "Borders" not in stranger.words
    assert len(desk.ticket(ticket).messages) == 1
    for path in ("/tickets/nonsense", f"/tickets/{uuid4()}"):
        stranger.get(path)
        assert stranger.status == 404


def test_a_stranger_is_led_to_sign_in(front: Storefront) -> None:
    nobody = front.visitor()
    nobody.get("/tickets/new?subject=Hello")
    assert (nobody.status, nobody.location) == (303, "/sign-in?next=/tickets/new%3Fsubject%3DHello")


def test_long_lists_have_pages(front: Storefront, desk: Helpdesk) -> None:
    us = front.join("Meridian Freight")
    for number in range(27):
        front.clock.advance(timedelta(seconds=1))
        desk.ask(us.organisation.id, Author(Side.CUSTOMER, us.user.id, "Ines"), f"Question {number:02}", "?")
    visitor = front.visitor(us)
    visitor.get("/tickets")
    assert "Question 26" in visitor.words
    assert "Question 01" not in visitor.words
    visitor.get("/tickets?page=2")
    assert "Question 01" in visitor.words
    assert "Question 26" not in visitor.words
    for odd in ("0", "-1", "x", "99999999", "²"):
        assert "Question 26" in visitor.get(f"/tickets?page={odd}") or "Nothing older" in visitor.text
