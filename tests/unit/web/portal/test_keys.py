"""Choosing a plan, and keys: shown once, rotated to the moment that was shown, revoked, and nobody else's."""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest

from tests.support.portal import Visitor
from tests.support.street import Street
from tollway.gateway.models import KeyAuth

_KEY = re.compile(r"tollway_live_[0-9A-Za-z]{43}")


@pytest.fixture
def street(tmp_path: Path) -> Iterator[Street]:
    street = Street(tmp_path)
    yield street
    street.close()


@pytest.fixture
def owner(street: Street) -> Visitor:
    """An owner with a plan and a first key."""
    visitor = street.signed_up()
    visitor.post("/start", plan="pro")
    assert visitor.status == 200
    return visitor


def _stored(street: Street, username: str = "meridian-freight") -> list[KeyAuth]:
    with street.store.read() as gateway:
        consumer = gateway.consumers.find(username)
        assert consumer is not None
        return gateway.key_auths.repository.all(consumer_id=consumer.id)


def _ids(visitor: Visitor) -> list[str]:
    return re.findall(r'href="/keys/([0-9a-f-]+)/revoke"', visitor.get("/keys"))


def _shown(visitor: Visitor) -> str:
    """Return the key that the page shows; it is the same wherever it stands."""
    (key,) = set(_KEY.findall(visitor.text))
    return str(key)


def test_a_plan_brings_consumer_customer_subscription_and_the_first_key(
    street: Street, owner: Visitor
) -> None:
    key = _shown(owner)
    (stored,) = _stored(street)
    assert stored.last_four == key[-4:]
    subscription = street.subscribing.of("meridian-freight")
    assert subscription.phases[-1].plan.plan.name == "pro"
    with street.world.main.read() as connection:
        customer = street.world.commerce(connection).parties.customer(subscription.customer)
    assert (customer.name, customer.details.name) == ("meridian-freight", "Meridian Freight")
    assert key not in owner.get("/keys")
    owner.get("/start")
    assert owner.location == "/keys"


def test_choosing_twice_subscribes_once(street: Street, owner: Visitor) -> None:
    owner.post("/start", page="/keys", plan="enterprise")
    assert (owner.status, owner.location) == (303, "/keys")
    assert street.subscribing.of("meridian-freight").phases[-1].plan.plan.name == "pro"
    assert len(_stored(street)) == 1


def test_a_consumer_of_the_operators_is_not_taken_over(street: Street) -> None:
    with street.store.write() as gateway:
        gateway.consumers.create({"username": "meridian-freight"})
    visitor = street.signed_up()  # the slug is another already
    with street.store.write() as gateway:
        gateway.consumers.create({"username": "meridian-freight-2"})
    visitor.post("/start", plan="pro")
    assert visitor.status == 200
    assert [len(_stored(street, name)) for name in ("meridian-freight", "meridian-freight-2")] == [0, 0]
    assert len(_stored(street, "meridian-freight-2-2")) == 1


@pytest.mark.parametrize("plan", ["", "unknown", "../x"])
def test_a_plan_that_is_not_for_sale_is_refused_beside_the_list(street: Street, plan: str) -> None:
    visitor = street.signed_up()
    visitor.post("/start", plan=plan)
    assert visitor.status == 422
    assert "Choose one of these." in visitor.words


def test_keys_have_names_of_their_own(street: Street, owner: Visitor) -> None:
    owner.post("/keys", name="<i>laptop</i>")
    assert owner.status == 200
    _shown(owner)
    assert "&lt;i&gt;laptop" in owner.get("/keys")
    owner.post("/keys", name="<I>LAPTOP</I>")
    assert owner.status == 422
    assert "Another key has this name" in owner.words
    assert len(_stored(street)) == 2


def test_a_rotated_key_ends_at_the_very_moment_that_was_shown(street: Street, owner: Visitor) -> None:
    before = _shown(owner)
    (key,) = _ids(owner)
    page = owner.get(f"/keys/{key}/rotate")
    value, shown = re.findall(r'value="(\d+)"[^>]*>.*?<time datetime="([^"]+)"', page)[0]
    street.clock.advance(timedelta(minutes=7))
    owner.post(f"/keys/{key}/rotate", until=value)
    assert owner.status == 200
    after = _shown(owner)
    assert after != before
    old, new = sorted(_stored(street), key=lambda found: found.created_at)
    assert old.expires_at is not None
    assert old.expires_at.isoformat() == shown
    assert (str(old.id), new.last_four, new.expires_at) == (key, after[-4:], None)
    assert shown in owner.text
    mail = street.mailbox.collect(street.world.main, street.clock)
    assert f"until exactly {old.expires_at.day} {old.expires_at:%b %Y, %H:%M} UTC" in mail.text
    assert before not in mail.text
    assert after not in mail.text
    owner.post(f"/keys/{key}/rotate", page="/keys", until=value)
    assert owner.status == 409  # it is ending already
    street.clock.advance(timedelta(hours=1))
    assert _ids(owner) == [str(new.id)]


@pytest.mark.parametrize("until", ["", "x", "1", "99999999999", "-1", "now "])
def test_a_moment_that_cannot_be_is_refused(street: Street, owner: Visitor, until: str) -> None:
    (key,) = _ids(owner)
    owner.post(f"/keys/{key}/rotate", until=until)
    assert owner.status == 422
    assert len(_stored(street)) == 1


def test_rotating_at_once_refuses_the_old_key_from_now_on(street: Street, owner: Visitor) -> None:
    (key,) = _ids(owner)
    owner.post(f"/keys/{key}/rotate", until="now")
    assert owner.status == 200
    assert "is refused from now on" in owner.words
    street.clock.advance(timedelta(seconds=1))
    assert len(_ids(owner)) == 1


def test_a_revoked_key_is_gone(street: Street, owner: Visitor) -> None:
    (key,) = _ids(owner)
    assert "default" in owner.get(f"/keys/{key}/revoke")
    owner.post(f"/keys/{key}/revoke")
    assert owner.location == "/keys"
    assert "is revoked" in owner.get("/keys")
    assert _stored(street) == []
    owner.post(f"/keys/{key}/revoke", page="/keys")
    assert owner.status == 404


def test_another_organisations_key_is_not_there(street: Street, owner: Visitor) -> None:
    (key,) = _ids(owner)
    other = street.signed_up(email="other@meridian.example", organisation="Other")
    other.post("/start", plan="pro")
    for path in (f"/keys/{key}/{page}" for page in ("rotate", "revoke", "first-call", "arrival")):
        other.get(path)
        assert other.status == 404
    for page in ("rotate", "revoke"):
        other.post(f"/keys/{key}/{page}", page="/keys", until="now", name="default")
        assert other.status == 404
    assert "default" not in other.text
    assert len(_stored(street)) == 1


def test_without_a_plan_there_are_no_keys(street: Street) -> None:
    visitor = street.signed_up()
    assert 'href="/start"' in visitor.get("/keys")
    visitor.post("/keys", page="/start", name="early")
    assert visitor.location == "/start"
    assert "Choose a plan first" in visitor.get("/start")


def test_the_plan_that_a_visitor_came_for_is_chosen_already(street: Street) -> None:
    visitor = street.visitor()
    visitor.get("/sign-up?plan=enterprise")
    assert 'name="plan" value="enterprise"' in visitor.text
    signed = street.signed_up(plan="enterprise", start="/start?plan=enterprise")
    signed.get("/start?plan=enterprise")
    assert 'value="enterprise" checked' in signed.text
