"""Nothing of the console is anybody's but an operator's, and every page of it opens."""

from __future__ import annotations

import re
from uuid import uuid4

import pytest

from tests.support.console import BackOffice
from tests.support.portal import Visitor
from tollway.app.helpdesk import Helpdesk
from tollway.support.models import Author, Side
from tollway.web.ui.access import Access

_OPEN_TO_ALL = {"/static/{digest}/{name:path}", "/sign-in", "/sign-out", "/setup"}


def _routes(office: BackOffice) -> list[tuple[str, str]]:
    return sorted(office.console.state.access)


def test_every_page_needs_an_operator_but_those_that_lead_there(office: BackOffice) -> None:
    access = office.console.state.access
    assert {path for (_, path), who in access.items() if who is Access.ANYONE} <= _OPEN_TO_ALL
    visitor = office.stranger()
    # A session of the portal, brought to the console as its own.
    member = Visitor(office.console, office.join("Acme").organisation.slug, site="console")
    for method, path in _routes(office):
        if access[method, path] is Access.ANYONE or method == "HEAD":
            continue
        concrete = re.sub(r"\{name[^}]*\}", "pro", re.sub(r"\{(?!name)[^}]*\}", str(uuid4()), path))
        for client in (visitor.client, member.client):
            answer = client.request(method, f"http://console.example{concrete}")
            assert answer.status_code == 303, (method, path)
            assert answer.headers["location"].startswith("/sign-in"), (method, path)


def test_a_form_counts_only_with_its_token(office: BackOffice) -> None:
    operator = office.at_work()
    office.join("Acme")
    for method, path in _routes(office):
        if method == "POST" and path not in _OPEN_TO_ALL:
            concrete = re.sub(r"\{name[^}]*\}", "pro", re.sub(r"\{(?!name)[^}]*\}", str(uuid4()), path))
            answer = operator.client.post(
                concrete, data={"_csrf": "guessed"}, headers={"origin": "http://console.example"}
            )
            assert answer.status_code == 403, path


def test_what_is_not_there_is_a_page_that_says_so(office: BackOffice) -> None:
    operator = office.at_work()
    for path in ("customers", "invoices", "tickets", "services", "routes"):
        for name in (str(uuid4()), "x'--", "../../etc"):
            operator.get(f"/{path}/{name}")
            assert operator.status == 404, (path, name)
    operator.get("/catalog/plans/nobody's")
    assert operator.status == 404


@pytest.mark.parametrize(
    "path", ["/", "/customers", "/catalog", "/services", "/invoices", "/tickets", "/usage", "/health"]
)
def test_every_place_opens_in_an_empty_shop(office: BackOffice, path: str) -> None:
    operator = office.at_work()
    operator.get(path)
    assert operator.status == 200


def test_hostile_names_are_text(office: BackOffice) -> None:
    evil = "<script>alert(1)</script>"
    signed = office.join("Acme")
    with office.store.write() as gateway:
        gateway.services.create({"name": "countries", "url": "http://internal.example/<b>"[:24]})
    desk = Helpdesk(office.shop.main, office.clock)
    ticket = desk.ask(signed.organisation.id, Author(Side.CUSTOMER, signed.user.id, evil), evil, evil)
    operator = office.at_work()
    for path in ("/tickets", f"/tickets/{ticket.id}", f"/customers?q={evil}"):
        assert "<script>alert" not in operator.get(path)
        assert operator.status == 200
