"""Who gets a mail when something is written in a ticket: whoever is on the other side of the counter."""

from __future__ import annotations

from collections.abc import Callable, Iterable

from sqlalchemy import Connection

from tollway.app.helpdesk import Helpdesk
from tollway.app.mail import Outbox, open_outbox
from tollway.app.shop import Shop
from tollway.storage.accounts import SqlOperators, SqlPeople
from tollway.support.models import Message, Side, Ticket
from tollway.support.ports import Notices
from tollway.web.portal.content.folder import ContentFolder

__all__ = ["TicketMails", "open_helpdesk", "ticket_notices"]

_LONGEST = 4_000  # characters of a message that a mail repeats


class TicketMails:
    """`tollway.support.ports.Notices` by mail, in the transaction of a connection."""

    def __init__(self, connection: Connection, outbox: Outbox, console: str) -> None:
        self._connection = connection
        self._outbox = outbox
        self._console = console

    def written(self, ticket: Ticket, message: Message) -> None:
        """See `Notices.written`."""
        if message.author.side is Side.OPERATOR:
            link = self._outbox.link(f"/tickets/{ticket.id}")
            self._send("ticket_answered", self._askers(ticket), ticket, message, link)
        else:
            operators = [one.email for one in SqlOperators(self._connection).operators()]
            self._send("ticket_asked", operators, ticket, message, f"{self._console}/tickets/{ticket.id}")

    def _askers(self, ticket: Ticket) -> list[str]:
        """Return the addresses of those who wrote for the customer; all members where they are gone."""
        people = SqlPeople(self._connection)
        authors = dict.fromkeys(one.author.id for one in ticket.messages if one.author.side is Side.CUSTOMER)
        users = [user for author in authors if (user := people.user(author)) is not None]
        return [user.email for user in users or people.members(ticket.organisation)]

    def _send(
        self, template: str, recipients: Iterable[str], ticket: Ticket, message: Message, link: str
    ) -> None:
        organisation = SqlPeople(self._connection).organisation(ticket.organisation)
        for recipient in recipients:
            self._outbox.mail(
                self._connection,
                recipient,
                template,
                reference=ticket.reference,
                subject=ticket.subject,
                author=message.author.name,
                organisation="" if organisation is None else organisation.name,
                quoted=_quoted(message.text),
                link=link,
            )


def ticket_notices(shop: Shop) -> Callable[[Connection], Notices]:
    """Return what makes the notices of a transaction."""
    brand = ContentFolder(shop.settings.portal_dir).current().portal.brand
    outbox = open_outbox(shop.settings, shop.clock, brand)
    return lambda connection: TicketMails(connection, outbox, shop.settings.console_origin)


def open_helpdesk(shop: Shop) -> Helpdesk:
    """Return the use cases of tickets, with their mails."""
    return Helpdesk(shop.main, shop.clock, ticket_notices(shop))


def _quoted(text: str) -> str:
    """Return a message with a mark before each line.

    So nothing in it looks like a line of ours, a link alone on its line least of all: that would be a button.
    """
    shown = text if len(text) <= _LONGEST else f"{text[:_LONGEST]} …"
    return "\n".join(f"> {line}" for line in shown.split("\n"))
