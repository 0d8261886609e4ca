"""What every way to send a mail has in common."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from email.message import EmailMessage
from email.utils import format_datetime, parseaddr
from typing import Protocol

from tollway.kernel.errors import InvalidInput, TollwayError

__all__ = ["Mail", "MailRefused", "MailUndelivered", "Notifier", "as_message"]


class MailUndelivered(TollwayError):
    """The mail server can't take the mail now; it is worth trying again."""


class MailRefused(TollwayError):
    """The mail server will never take the mail, such as one to an address that it says doesn't exist."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Mail:
    """A mail in two forms that say the same. `identity` is the same whenever it is sent again."""

    identity: str
    recipient: str
    subject: str
    text: str = field(repr=False)
    html: str = field(repr=False)
    written_at: datetime


class Notifier(Protocol):
    """Hands mails over to whatever delivers them."""

    def send(self, mail: Mail) -> None:
        """Send a mail.

        Raises:
            MailUndelivered: not now; try again later.
            MailRefused: not ever.
        """


def as_message(mail: Mail, sender: str, *, readable: bool = False) -> EmailMessage:
    """Return the mail as RFC 5322 wants it. The policy refuses line breaks in headers.

    `readable` keeps letters beyond ASCII as they are, for a file that people look into: in the encoding that
    every mail server takes, links are cut into pieces.
    """
    plain = "8bit" if readable else "7bit"
    encodings = [
        plain if readable or part.isascii() else "quoted-printable" for part in (mail.text, mail.html)
    ]
    domain = parseaddr(sender)[1].rpartition("@")[2]
    message = EmailMessage()
    message["From"] = sender
    message["To"] = mail.recipient
    message["Subject"] = mail.subject
    message["Date"] = format_datetime(mail.written_at)
    message["Message-ID"] = f"<{mail.identity}@{domain}>"
    message["Auto-Submitted"] = "auto-generated"
    message.set_content(mail.text, cte=encodings[0])
    message.add_alternative(mail.html, subtype="html", cte=encodings[1])
    return message


def require_sender(sender: str) -> str:
    """Return a sender that mails can carry.

    Raises:
        InvalidInput: it is no e-mail address.
    """
    address = parseaddr(sender)[1]
    if "@" not in address.strip("@") or not sender.isprintable():
        raise InvalidInput("TOLLWAY_MAIL_FROM", f"{sender!r} is no address", "write Atlas <shop@example.com>")
    return sender
