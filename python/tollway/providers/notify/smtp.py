"""Mails over SMTP (RFC 5321), with TLS from the start (`smtps://`) or asked for (`smtp://…?tls=starttls`)."""

from __future__ import annotations

import smtplib
import ssl
from dataclasses import dataclass, field
from urllib.parse import parse_qs, unquote, urlsplit

from tollway.kernel.errors import InvalidInput
from tollway.providers.notify.base import Mail, MailRefused, MailUndelivered, as_message, require_sender

__all__ = ["SmtpNotifier"]

_SETTING = "TOLLWAY_SMTP_URL"
_PORTS = {"smtp": 25, "smtps": 465}
_PATIENCE = 20  # seconds


@dataclass(frozen=True, slots=True)
class _Server:
    host: str
    port: int
    secure: bool
    starttls: bool
    user: str | None
    password: str | None = field(repr=False)


class SmtpNotifier:
    """Sends each mail in a connection of its own: they are few, and a server may close idle ones.

    `url` is `smtp://[USER:PASSWORD@]HOST[:PORT][?tls=starttls]` or `smtps://…`.

    Raises:
        InvalidInput: the URL or the sender can't be used.
    """

    def __init__(self, url: str, sender: str) -> None:
        self._server = _parse(url)
        self._sender = require_sender(sender)

    def send(self, mail: Mail) -> None:
        """See `Notifier.send`."""
        message = as_message(mail, self._sender)
        try:
            with self._connect() as connection:
                connection.send_message(message)
        except smtplib.SMTPRecipientsRefused as error:
            code, text = next(iter(error.recipients.values()))
            raise _judged(code, text) from error
        except smtplib.SMTPResponseException as error:
            raise _judged(error.smtp_code, error.smtp_error) from error
        except (smtplib.SMTPException, OSError) as error:
            raise MailUndelivered(f"{self._server.host}:{self._server.port}: {error}") from error

    def _connect(self) -> smtplib.SMTP:
        server = self._server
        context = ssl.create_default_context()
        connection: smtplib.SMTP
        if server.secure:
            connection = smtplib.SMTP_SSL(server.host, server.port, timeout=_PATIENCE, context=context)
        else:
            connection = smtplib.SMTP(server.host, server.port, timeout=_PATIENCE)
        try:
            if server.starttls:
                connection.starttls(context=context)
            if server.user is not None:
                connection.login(server.user, server.password or "")
        except BaseException:
            connection.close()
            raise
        return connection


def _judged(code: int, text: bytes | str) -> MailUndelivered | MailRefused:
    said = text.decode("utf-8", "replace") if isinstance(text, bytes) else text
    # 535 and 530 are about our own log-in: the mail is fine, the settings are not.
    permanent = 500 <= code < 600 and code not in {530, 534, 535}
    return (MailRefused if permanent else MailUndelivered)(f"the mail server answered {code}: {said}")


def _parse(url: str) -> _Server:
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError:
        raise InvalidInput(_SETTING, "the port is no number", "write smtp://HOST:PORT") from None
    tls = parse_qs(parts.query).get("tls", [""])[0]
    if parts.scheme not in _PORTS or not parts.hostname or tls not in {"", "starttls"}:
        raise InvalidInput(
            _SETTING, "can't be used", "write smtp://[USER:PASSWORD@]HOST[:PORT][?tls=starttls] or smtps://…"
        )
    user = None if parts.username is None else unquote(parts.username)
    if (
        user is not None
        and parts.scheme == "smtp"
        and not tls
        and parts.hostname not in {"localhost", "127.0.0.1"}
    ):
        raise InvalidInput(
            _SETTING, "the password would travel in the clear", "add ?tls=starttls, or use smtps://"
        )
    return _Server(
        host=parts.hostname,
        port=port or _PORTS[parts.scheme],
        secure=parts.scheme == "smtps",
        starttls=bool(tls),
        user=user,
        password=None if parts.password is None else unquote(parts.password),
    )
