"""Mails from the transaction that they belong to, to whoever delivers them."""

from __future__ import annotations

import threading
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

import structlog
from sqlalchemy import Connection

from tollway.app.going_on import told
from tollway.app.settings import Settings
from tollway.kernel.clock import Clock
from tollway.kernel.ids import new_id
from tollway.providers.notify.base import Mail, MailRefused, MailUndelivered, Notifier
from tollway.providers.notify.folder import FolderNotifier
from tollway.providers.notify.smtp import SmtpNotifier
from tollway.storage.database import Database
from tollway.storage.outbox import OutboxMail, SqlOutbox
from tollway.web.mail import Composer
from tollway.web.ui.brand import Brand

__all__ = ["MailWorker", "Outbox", "open_notifier", "open_outbox"]

_AT_ONCE = 50
_LOOK_EVERY = 0.5  # seconds
_LEASE = timedelta(minutes=5)
"""How long one worker has to send a mail before another may: longer than a mail server may take to answer."""

_PAUSES = tuple(timedelta(minutes=minutes) for minutes in (1, 5, 15, 60, 180, 360, 720, 1440))
"""When to try again, after so many tries; then it is given up, two days after it was written."""

_log = structlog.get_logger(__name__)


class Outbox:
    """Writes mails into the outbox; `portal` is what links to the portal begin with."""

    def __init__(self, composer: Composer, clock: Clock, portal: str) -> None:
        self._composer = composer
        self._clock = clock
        self._portal = portal

    def link(self, path: str) -> str:
        """Return the address of a page of the portal, for a mail."""
        return f"{self._portal}{path}"

    def mail(self, connection: Connection, to: str, template: str, **values: Any) -> None:
        """Have a mail of `web/mail/templates/TEMPLATE.txt` sent once the transaction is committed."""
        text = self._composer.compose(template, **values)
        SqlOutbox(connection).add(
            OutboxMail(
                id=new_id(),
                recipient=to,
                subject=text.subject,
                text=text.text,
                html=text.html,
                created_at=self._clock.now(),
            )
        )


class MailWorker:
    """Drains the outbox. A mail may be sent twice if the process dies in between, never lost."""

    def __init__(self, database: Database, notifier: Notifier, clock: Clock) -> None:
        self._database = database
        self._notifier = notifier
        self._clock = clock

    def mail_forever(self, stop: threading.Event) -> None:
        """Send what is due until `stop` is set."""
        while not stop.wait(_LOOK_EVERY):
            with told("the outbox can't be read; trying again"):
                self.drain(stop)

    def drain(self, stop: threading.Event | None = None) -> int:
        """Send what is due now; return how many mails were sent."""
        with self._database.read() as connection:
            due = SqlOutbox(connection).due(self._clock.now(), _AT_ONCE)
        sent = 0
        for mail in due:
            if stop is not None and stop.is_set():
                break
            # One that fails must not keep the others waiting.
            with told("a mail was not sent; trying again", mail=str(mail)):
                sent += self._send(mail)
        return sent

    def _send(self, mail: UUID) -> bool:
        now = self._clock.now()
        with self._database.write() as connection:
            taken = SqlOutbox(connection).claim(mail, now, now + _LEASE)
        if taken is None:
            return False
        try:
            self._notifier.send(
                Mail(
                    identity=str(taken.id),
                    recipient=taken.recipient,
                    subject=taken.subject,
                    text=taken.text,
                    html=taken.html,
                    written_at=taken.created_at,
                )
            )
        except MailUndelivered as error:
            self._failed(taken, str(error), _again(taken.attempts, now))
        except (MailRefused, ValueError) as error:
            # ValueError: a header that can't be written. It won't be better the next time.
            self._failed(taken, str(error), None)
        else:
            with self._database.write() as connection:
                SqlOutbox(connection).sent(taken.id, self._clock.now())
            return True
        return False

    def _failed(self, mail: OutboxMail, problem: str, again_at: datetime | None) -> None:
        with self._database.write() as connection:
            SqlOutbox(connection).failed(mail.id, problem, again_at)
        _log.warning("a mail was not sent", mail=str(mail.id), problem=problem, given_up=again_at is None)


def open_outbox(settings: Settings, clock: Clock, brand: Brand) -> Outbox:
    """Return the outbox for mails in a seller's name."""
    return Outbox(Composer(brand), clock, settings.portal_origin)


def open_notifier(settings: Settings) -> Notifier:
    """Return what delivers mails by these settings: a mail server, or a folder where none is set."""
    if settings.smtp_url is None:
        return FolderNotifier(settings.mail_folder, settings.mail_from)
    return SmtpNotifier(settings.smtp_url, settings.mail_from)


def _again(attempts: int, now: datetime) -> datetime | None:
    return now + _PAUSES[attempts - 1] if attempts <= len(_PAUSES) else None
