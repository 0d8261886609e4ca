"""Signing up, in and out: from the form to the mail to the session, and what strangers get instead."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest
from sqlalchemy import select

from tests.support.portal import Visitor
from tests.support.street import FORM, PASSWORD, Street
from tollway.accounts.models import Realm
from tollway.accounts.sessions import LIFETIMES
from tollway.storage.accounts import SqlPeople
from tollway.storage.tables.accounts import ACCOUNT_ATTEMPT, ACCOUNT_SESSION, PORTAL_USER, SIGN_UP
from tollway.storage.tables.outbox import OUTBOX_MAIL


@pytest.fixture
def street(tmp_path: Path) -> Iterator[Street]:
    street = Street(tmp_path)
    yield street
    street.close()


def _sign_in(visitor: Visitor, password: str = PASSWORD, **fields: str) -> int:
    visitor.post("/sign-in", email="ines@meridian.example", password=password, **fields)
    return visitor.status


def test_the_mails_link_makes_the_account_and_signs_in(street: Street) -> None:
    visitor = street.signed_up()
    assert "Meridian Freight" in visitor.get("/account")
    other = street.visitor()
    assert _sign_in(other) == 303
    assert "Meridian Freight" in other.get("/account")


def test_a_mail_to_an_address_that_nobody_has_proven_repeats_nothing_that_was_typed(street: Street) -> None:
    street.visitor().post("/sign-up", **FORM | {"organisation": "You won: https://evil.example/"})
    mail = street.mailbox.collect(street.world.main, street.clock)
    assert "Confirm your e-mail address" in mail.subject
    assert "evil" not in mail.text + mail.html


def test_a_second_organisation_of_the_same_name_has_another_slug(street: Street) -> None:
    street.signed_up()
    street.signed_up(email="other@meridian.example")
    with street.world.main.read() as connection:
        assert {found.slug for found in SqlPeople(connection).organisations()} == {
            "meridian-freight",
            "meridian-freight-2",
        }


def test_a_faulty_form_comes_back_with_what_was_typed(street: Street) -> None:
    visitor = street.visitor()
    visitor.post("/sign-up", organisation="<b>Meridian", email="nonsense", password="short")
    assert visitor.status == 422
    assert 'value="&lt;b&gt;Meridian"' in visitor.text
    assert 'value="nonsense"' in visitor.text
    assert "short" not in visitor.text.replace("a short sentence", "")
    for field in ("email", "terms"):
        assert f'aria-describedby="{field}-error"' in visitor.text


def test_a_link_works_once_and_a_day_long(street: Street) -> None:
    visitor = street.visitor()
    visitor.post("/sign-up", **FORM)
    path = street.mail_link()
    street.clock.advance(timedelta(hours=24))
    visitor.get(path)
    assert visitor.status == 410
    visitor.post("/sign-up", **FORM)
    path = street.mail_link()
    token = path.partition("token=")[2]
    visitor.get(path)
    assert visitor.status == 200  # looking at it uses nothing up: mail scanners do that
    visitor.post("/confirm", page=path, token=token)
    assert visitor.status == 303
    other = street.visitor()
    other.post("/confirm", page="/sign-in", token=token)
    assert other.status == 410


def test_an_address_that_has_an_account_is_told_so_by_mail_alone(street: Street) -> None:
    street.signed_up()
    answers = []
    for email in ("INES@meridian.EXAMPLE", "nobody@meridian.example"):
        visitor = street.visitor()
        visitor.post("/sign-up", **FORM | {"email": email})
        answers.append((visitor.status, visitor.location))
        visitor.post("/reset-password", email=email)
        answers.append((visitor.status, visitor.location))
    assert set(answers) == {(303, "/check-mail")}
    street.mailbox.collect(street.world.main, street.clock)
    subjects = [mail.subject for mail in street.mailbox.mails[1:]]
    assert sorted(subjects) == sorted(
        [
            "You already have an account at Tollway",
            "Set a new password for Tollway",
            "Confirm your e-mail address for Tollway",
        ]
    )


def test_signing_in_says_the_same_of_a_wrong_password_and_of_nobody(street: Street) -> None:
    street.signed_up()
    wrong, nobody = street.visitor(), street.visitor()
    assert _sign_in(wrong, "another password") == 403
    nobody.post("/sign-in", email="nobody@meridian.example", password="another password")
    assert nobody.status == 403
    assert wrong.words == nobody.words


def test_after_ten_wrong_passwords_the_right_one_waits_and_a_reset_does_not(street: Street) -> None:
    street.signed_up()
    visitor = street.visitor()
    assert [_sign_in(visitor, f"wrong password {n}") for n in range(10)] == [403] * 10
    assert _sign_in(visitor) == 429
    visitor.post("/reset-password", email="ines@meridian.example")
    path = street.mail_link()
    visitor.post("/new-password", page=path, token=path.partition("token=")[2], password="another sentence")
    assert visitor.location == "/sign-in"
    assert _sign_in(visitor, "another sentence") == 303


def test_a_new_password_ends_every_session_and_every_link(street: Street) -> None:
    signed = street.signed_up()
    visitor = street.visitor()
    paths = []
    for _ in range(2):
        visitor.post("/reset-password", email="ines@meridian.example")
        paths.append(street.mail_link())
    visitor.post("/new-password", page=paths[0], token=paths[0].partition("token=")[2], password="weak")
    assert visitor.status == 422
    visitor.post(
        "/new-password", page=paths[0], token=paths[0].partition("token=")[2], password="another sentence"
    )
    assert visitor.status == 303
    for path in paths:
        visitor.get(path)
        assert visitor.status == 410
    signed.get("/account")
    assert signed.location.startswith("/sign-in")


def test_a_session_planted_before_signing_in_is_worth_nothing(street: Street) -> None:
    street.signed_up()
    thief, victim = street.visitor(), street.visitor()
    assert _sign_in(thief) == 303
    planted = thief.client.cookies["tollway_portal_session"]
    victim.client.cookies.set("tollway_portal_session", planted, domain="portal.example")
    victim.client.get("/")
    victim.get("/account")
    assert victim.status == 200
    # Signing in anew ends the planted one and gives another.
    victim.post("/sign-out", page="/account")
    assert _sign_in(victim) == 303
    assert victim.client.cookies["tollway_portal_session"] != planted
    thief.get("/account")
    assert thief.location.startswith("/sign-in")


def test_a_stolen_session_ends_with_signing_out_and_with_time(street: Street) -> None:
    visitor = street.signed_up()
    stolen = visitor.client.cookies["tollway_portal_session"]
    thief = street.visitor()
    thief.client.cookies.set("tollway_portal_session", stolen, domain="portal.example")
    visitor.post("/sign-out", page="/account")
    thief.get("/account")
    assert thief.location == "/sign-in?next=/account"
    idle, absolute = LIFETIMES[Realm.PORTAL]
    assert _sign_in(visitor) == 303
    for _ in range(5):
        street.clock.advance(idle - timedelta(minutes=1))
        visitor.get("/account")
        if visitor.status != 200:
            break
    assert visitor.status == 303  # in use all the time, and over all the same
    assert absolute < 5 * idle
    assert _sign_in(visitor) == 303
    street.clock.advance(idle)
    visitor.get("/account")
    assert visitor.status == 303


@pytest.mark.parametrize(
    "wanted",
    ["https://evil.example/", "//evil.example/", "/\\evil.example", "/\tx", "javascript:alert(1)", ""],
)
def test_signing_in_leads_to_no_other_site(street: Street, wanted: str) -> None:
    street.signed_up()
    visitor = street.visitor()
    visitor.post("/sign-in", page="/sign-in", email="ines@meridian.example", password=PASSWORD, next=wanted)
    assert (visitor.status, visitor.location) == (303, "/start")


def test_signing_in_leads_back_to_the_page_that_was_wanted(street: Street) -> None:
    street.signed_up()
    visitor = street.visitor()
    visitor.get("/account?from=mail")
    assert visitor.location == "/sign-in?next=/account%3Ffrom%3Dmail"
    visitor.post("/sign-in", email="ines@meridian.example", password=PASSWORD, next="/account?from=mail")
    assert visitor.location == "/account?from=mail"


def test_what_is_kept_lets_nobody_in(street: Street) -> None:
    visitor = street.signed_up()
    token = visitor.client.cookies["tollway_portal_session"]
    with street.world.main.read() as connection:
        tables = [ACCOUNT_SESSION, PORTAL_USER, SIGN_UP, OUTBOX_MAIL, ACCOUNT_ATTEMPT]
        kept = repr([tuple(row) for table in tables for row in connection.execute(select(table))])
    assert "ines@meridian.example" in kept
    for secret in (token, PASSWORD, street.mailbox.mails[0].text.partition("token=")[2][:43]):
        assert secret not in kept
