"""Tickets: whose turn it is, what is kept of a text, and that nobody reaches another organisation's."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from uuid import uuid4

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.support.databases import migrated
from tollway.app.helpdesk import Helpdesk
from tollway.kernel.clock import ManualClock
from tollway.kernel.errors import InvalidInput, NotFound
from tollway.kernel.ids import new_id
from tollway.support import service
from tollway.support.models import Author, Message, Side, Ticket, TicketStatus

NOW = datetime(2026, 11, 20, 18, 40, tzinfo=UTC)
INES = Author(Side.CUSTOMER, uuid4(), "Ines Okafor")
TOMAS = Author(Side.OPERATOR, uuid4(), "Tomas Nagy")
US, THEM = uuid4(), uuid4()


class Told:
    """`Notices` that remember."""

    def __init__(self) -> None:
        self.heard: list[tuple[str, str]] = []

    def written(self, ticket: Ticket, message: Message) -> None:
        self.heard.append((ticket.subject, message.text))


@pytest.fixture
def told() -> Told:
    return Told()


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock(NOW)


@pytest.fixture
def desk(tmp_path: Path, clock: ManualClock, told: Told) -> Iterator[Helpdesk]:
    database = migrated(tmp_path)
    yield Helpdesk(database, clock, lambda _: told)
    database.close()


def test_the_turn_goes_to_and_fro_and_a_closed_ticket_opens_when_written_to(
    desk: Helpdesk, clock: ManualClock
) -> None:
    ticket = desk.ask(US, INES, "No borders for Kosovo", "Why?")
    states = [ticket.status]
    for step in (
        lambda: desk.reply(ticket.id, TOMAS, "Because."),
        lambda: desk.reply(ticket.id, INES, "I see.", organisation=US),
        lambda: desk.close(ticket.id, organisation=US),
        lambda: desk.reopen(ticket.id),
        lambda: desk.close(ticket.id),
        lambda: desk.reply(ticket.id, TOMAS, "One more thing."),
    ):
        clock.advance(timedelta(minutes=1))
        states.append(step().status)
    assert states == ["open", "answered", "open", "closed", "open", "closed", "answered"]
    stored = desk.ticket(ticket.id, organisation=US)
    assert [(m.author, m.text) for m in stored.messages] == [
        (INES, "Why?"),
        (TOMAS, "Because."),
        (INES, "I see."),
        (TOMAS, "One more thing."),
    ]
    assert stored.opened_at == NOW
    assert stored.changed_at == NOW + timedelta(minutes=6)


def test_closing_twice_and_opening_what_is_open_change_nothing(desk: Helpdesk) -> None:
    ticket = desk.ask(US, INES, "s", "t")
    assert desk.reopen(ticket.id) == ticket
    assert desk.close(ticket.id) == desk.close(ticket.id)


def test_another_organisations_ticket_does_not_exist(desk: Helpdesk) -> None:
    ticket = desk.ask(US, INES, "s", "t")
    for attempt in (
        lambda: desk.ticket(ticket.id, organisation=THEM),
        lambda: desk.reply(ticket.id, INES, "mine now", organisation=THEM),
        lambda: desk.close(ticket.id, organisation=THEM),
        lambda: desk.reopen(ticket.id, organisation=THEM),
        lambda: desk.ticket(uuid4(), organisation=US),
    ):
        with pytest.raises(NotFound, match="no ticket named"):
            attempt()
    assert desk.ticket(ticket.id) == ticket
    assert desk.page(organisation=THEM) == []
    assert sum(desk.counts(organisation=THEM).values()) == 0


def test_every_message_is_told_once_and_a_refused_one_never(desk: Helpdesk, told: Told) -> None:
    ticket = desk.ask(US, INES, "Help", "first")
    desk.reply(ticket.id, TOMAS, "second")
    with pytest.raises(InvalidInput):
        desk.reply(ticket.id, TOMAS, " \x00\n ")
    assert told.heard == [("Help", "first"), ("Help", "second")]


def test_pages_show_what_changed_last_first(desk: Helpdesk, clock: ManualClock) -> None:
    tickets = []
    for name in "abc":
        tickets.append(desk.ask(US, INES, name, name))
        clock.advance(timedelta(seconds=1))
    desk.reply(tickets[0].id, TOMAS, "done")
    assert [(s.subject, s.messages, s.last_author) for s in desk.page()] == [
        ("a", 2, "Tomas Nagy"),
        ("c", 1, "Ines Okafor"),
        ("b", 1, "Ines Okafor"),
    ]
    assert [s.subject for s in desk.page(limit=1, skip=1)] == ["c"]
    assert [s.subject for s in desk.page(status=TicketStatus.ANSWERED)] == ["a"]
    assert desk.counts() == {TicketStatus.OPEN: 2, TicketStatus.ANSWERED: 1, TicketStatus.CLOSED: 0}


@pytest.mark.parametrize(
    ("subject", "text", "field"),
    [
        (" \n\t ", "x", "subject"),
        ("x", "", "text"),
        ("x" * 201, "x", "subject"),
        ("x", "x" * 20_001, "text"),
        ("\x00\x1b", "x", "subject"),
    ],
)
def test_refusals_name_the_field(subject: str, text: str, field: str) -> None:
    with pytest.raises(InvalidInput) as refused:
        service.ask(US, INES, subject, text, NOW)
    assert refused.value.location == field


@given(subject=st.text(max_size=300), text=st.text(max_size=300))
def test_whatever_is_written_holds_no_control_character_and_can_be_stored(subject: str, text: str) -> None:
    try:
        ticket = service.ask(US, INES, subject, text, NOW)
    except InvalidInput:
        return
    kept = ticket.messages[0].text
    assert "\n" not in ticket.subject
    assert not any(ord(c) < 32 and c not in "\n\t" for c in ticket.subject + kept)
    (ticket.subject + kept).encode()


@given(st.lists(st.tuples(st.sampled_from(["ask", "answer", "close", "reopen"]), st.integers(-60, 60))))
def test_the_status_follows_from_the_last_act_and_time_never_goes_back(acts: list[tuple[str, int]]) -> None:
    ticket = service.ask(US, INES, "s", "t", NOW)
    now = NOW
    for act, seconds in acts:
        now += timedelta(seconds=seconds)  # machines' clocks differ
        before = ticket
        match act:
            case "ask":
                ticket = service.reply(ticket, INES, "?", now)
            case "answer":
                ticket = service.reply(ticket, TOMAS, "!", now)
            case "close":
                ticket = service.close(ticket, now)
            case _:
                ticket = service.reopen(ticket, now)
        assert ticket.changed_at >= before.changed_at
        assert ticket.messages[: len(before.messages)] == before.messages
        last = ticket.messages[-1].author.side
        turn = TicketStatus.ANSWERED if last is Side.OPERATOR else TicketStatus.OPEN
        assert ticket.status in {turn, TicketStatus.CLOSED}
    times = [message.written_at for message in ticket.messages]
    assert times == sorted(times)


def test_a_reference_is_short_and_comes_from_the_id() -> None:
    ticket = service.ask(US, INES, "s", "t", NOW)
    assert ticket.reference == f"T-{str(ticket.id)[-8:]}"
    assert new_id() != ticket.id
