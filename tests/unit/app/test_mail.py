"""Mails: written with what they tell, sent by the worker, to a real server or into a folder."""

from __future__ import annotations

import asyncio
import email
import email.policy
import stat
from collections.abc import Iterator
from datetime import timedelta
from email.message import EmailMessage
from pathlib import Path
from typing import Any

import pytest
from aiosmtpd.controller import Controller
from aiosmtpd.smtp import SMTP, Envelope, Session
from sqlalchemy import select

from tests.support.commerce import START
from tests.support.databases import migrated
from tests.support.mails import Mailbox
from tollway.app.mail import MailWorker, Outbox, open_notifier
from tollway.app.settings import Settings
from tollway.kernel.clock import ManualClock
from tollway.kernel.errors import InvalidInput
from tollway.providers.notify.folder import FolderNotifier
from tollway.providers.notify.smtp import SmtpNotifier
from tollway.storage.database import Database
from tollway.storage.tables.outbox import OUTBOX_MAIL
from tollway.web.mail import Composer
from tollway.web.ui.brand import Brand

_FROM = "Atlas <shop@atlas.example>"


@pytest.fixture
def database(tmp_path: Path) -> Iterator[Database]:
    database = migrated(tmp_path)
    yield database
    database.close()


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock(START)


@pytest.fixture
def outbox(clock: ManualClock) -> Outbox:
    return Outbox(Composer(Brand(name="Atlas")), clock, "https://shop.example")


def _write(database: Database, outbox: Outbox, to: str = "ines@meridian.example", **values: str) -> None:
    values = {"organisation": "Meridian", "link": outbox.link("/keys?token=abc")} | values
    key = {"name": "default", "new_last_four": "abcd", "old_last_four": "efgh", "ends_at": None}
    with database.write() as connection:
        outbox.mail(connection, to, "key_rotated", **key, **values)


def _rows(database: Database) -> list[Any]:
    with database.read() as connection:
        return list(connection.execute(select(OUTBOX_MAIL).order_by(OUTBOX_MAIL.c.id)))


class Server:
    """An SMTP server of this test's; `answer` is what it says to each mail."""

    def __init__(self) -> None:
        self.mails: list[EmailMessage] = []
        self.answer = "250 OK"

    async def handle_DATA(self, _server: SMTP, _session: Session, envelope: Envelope) -> str:  # noqa: N802
        await asyncio.sleep(0)
        if self.answer.startswith("250"):
            content = envelope.content
            assert isinstance(content, bytes)
            message = email.message_from_bytes(content, policy=email.policy.default)
            assert isinstance(message, EmailMessage)
            self.mails.append(message)
        return self.answer


class AnyPort(Controller):
    """A controller on a port that the system chose."""

    def _trigger_server(self) -> None:
        assert self.server is not None
        self.port = self.server.sockets[0].getsockname()[1]
        super()._trigger_server()


@pytest.fixture
def server() -> Iterator[tuple[Server, str]]:
    handler = Server()
    controller = AnyPort(handler, hostname="127.0.0.1", port=0)
    controller.start()
    yield handler, f"smtp://127.0.0.1:{controller.port}"
    controller.stop()


def test_a_mail_arrives_as_text_and_html_that_say_the_same(
    database: Database, clock: ManualClock, outbox: Outbox, server: tuple[Server, str]
) -> None:
    handler, url = server
    _write(database, outbox, organisation="<b>Über & Co</b>")
    assert MailWorker(database, SmtpNotifier(url, _FROM), clock).drain() == 1
    (mail,) = handler.mails
    assert (mail["From"], mail["To"]) == (_FROM, "ines@meridian.example")
    assert mail["Subject"] == "Your key default was rotated"
    assert mail["Message-ID"] == f"<{_rows(database)[0].id}@atlas.example>"
    text, html = mail.get_body(("plain",)), mail.get_body(("html",))
    assert text is not None
    assert html is not None
    assert "<b>Über & Co</b>" in text.get_content()
    assert "&lt;b&gt;Über &amp; Co&lt;/b&gt;" in html.get_content()
    assert 'href="https://shop.example/keys?token=abc"' in html.get_content()
    assert MailWorker(database, SmtpNotifier(url, _FROM), clock).drain() == 0


def test_a_transaction_that_fails_sends_nothing(
    database: Database, clock: ManualClock, outbox: Outbox
) -> None:
    def fail() -> None:
        with database.write() as connection:
            outbox.mail(connection, "a@b.example", "reset_password", link="https://shop.example/x")
            raise RuntimeError

    with pytest.raises(RuntimeError):
        fail()
    assert MailWorker(database, Mailbox(), clock).drain() == 0


def test_a_sent_mails_secret_link_is_forgotten(
    database: Database, clock: ManualClock, outbox: Outbox
) -> None:
    _write(database, outbox)
    Mailbox().collect(database, clock)
    (row,) = _rows(database)
    assert (row.text, row.html, row.due_at, row.sent_at) == ("", "", None, START)


def test_what_the_server_can_not_take_now_is_tried_again_for_two_days(
    database: Database, clock: ManualClock, outbox: Outbox, server: tuple[Server, str]
) -> None:
    handler, url = server
    handler.answer = "451 come back later"
    _write(database, outbox)
    worker = MailWorker(database, SmtpNotifier(url, _FROM), clock)
    tries = 0
    while (due := _rows(database)[0].due_at) is not None:
        clock.advance(due - clock.now())
        assert worker.drain() == 0
        tries += 1
    assert tries == 9
    assert clock.now() - START >= timedelta(days=1, hours=12)
    assert "451" in _rows(database)[0].problem


def test_a_mail_that_is_refused_is_not_sent_again(
    database: Database, clock: ManualClock, outbox: Outbox, server: tuple[Server, str]
) -> None:
    handler, url = server
    handler.answer = "550 no such user"
    _write(database, outbox)
    assert MailWorker(database, SmtpNotifier(url, _FROM), clock).drain() == 0
    (row,) = _rows(database)
    assert row.due_at is None
    assert "550" in row.problem


def test_two_workers_send_a_mail_once_and_one_that_died_leaves_it_to_the_other(
    database: Database, clock: ManualClock, outbox: Outbox
) -> None:
    _write(database, outbox)
    dead = Mailbox(problem=KeyboardInterrupt())  # type: ignore[arg-type]
    with pytest.raises(KeyboardInterrupt):
        MailWorker(database, dead, clock).drain()
    other = Mailbox()
    assert MailWorker(database, other, clock).drain() == 0  # it may be on its way
    clock.advance(timedelta(minutes=5))
    assert MailWorker(database, other, clock).drain() == 1


def test_a_mail_that_cannot_be_written_holds_up_no_other(
    database: Database, clock: ManualClock, outbox: Outbox, tmp_path: Path
) -> None:
    _write(database, outbox, to="ines@meridian.example\nBcc: all@victims.example")
    _write(database, outbox)
    folder = tmp_path / "mail"
    assert MailWorker(database, FolderNotifier(folder, _FROM), clock).drain() == 1
    (file,) = folder.iterdir()
    assert b"victims" not in file.read_bytes()
    assert "line" in _rows(database)[0].problem.lower()


def test_a_name_with_line_breaks_makes_no_header(
    outbox: Outbox, database: Database, clock: ManualClock
) -> None:
    with database.write() as connection:
        outbox.mail(
            connection,
            "a@b.example",
            "key_rotated",
            name="x\r\nBcc: all@victims.example",
            organisation="O\n\nhttps://evil.example/",
            new_last_four="abcd",
            old_last_four="efgh",
            ends_at=None,
            link="https://shop.example/keys",
        )
    mail = Mailbox().collect(database, clock)
    assert "\n" not in mail.subject
    assert 'href="https://evil.example/">https://evil.example/</a></p>' not in mail.html


def test_without_a_server_mails_are_files_of_the_user_alone(
    database: Database, clock: ManualClock, outbox: Outbox, tmp_path: Path
) -> None:
    settings = Settings(data_dir=tmp_path)
    link = f"https://shop.example/confirm?token={'x' * 43}"
    _write(database, outbox, link=link, organisation="Über")
    assert MailWorker(database, open_notifier(settings), clock).drain() == 1
    (file,) = settings.mail_folder.glob("*.eml")
    assert stat.S_IMODE(settings.mail_folder.stat().st_mode) == 0o700
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert link in file.read_text()  # whole, to be copied


@pytest.mark.parametrize(
    "url",
    [
        "http://mail.example",
        "smtp://",
        "smtp://mail.example:port",
        "smtp://mail.example?tls=yes",
        "smtp://user:password@mail.example",
    ],
)
def test_a_server_that_cannot_be_is_refused_without_its_password(url: str) -> None:
    with pytest.raises(InvalidInput, match="TOLLWAY_SMTP_URL") as error:
        SmtpNotifier(url, _FROM)
    assert "password@" not in str(error.value)


@pytest.mark.parametrize("sender", ["", "nobody", "a@b.example\nBcc: c@d.example"])
def test_a_sender_that_cannot_be_is_refused(sender: str) -> None:
    with pytest.raises(InvalidInput, match="TOLLWAY_MAIL_FROM"):
        SmtpNotifier("smtp://mail.example", sender)


def test_a_server_that_is_not_there_is_worth_another_try(tmp_path: Path) -> None:
    notifier = SmtpNotifier("smtp://127.0.0.1:1", _FROM)
    database = migrated(tmp_path)
    clock = ManualClock(START)
    _write(database, Outbox(Composer(Brand()), clock, "https://shop.example"))
    assert MailWorker(database, notifier, clock).drain() == 0
    assert _rows(database)[0].due_at == START + timedelta(minutes=1)
    database.close()
