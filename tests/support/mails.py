"""Mails in an outbox, as tests read them."""

from __future__ import annotations

import re
from dataclasses import dataclass, field

from tollway.app.mail import MailWorker
from tollway.kernel.clock import Clock
from tollway.providers.notify.base import Mail
from tollway.storage.database import Database

__all__ = ["Mailbox", "link"]


@dataclass
class Mailbox:
    """Takes every mail that is due; `problem` is raised instead where a test wants it."""

    mails: list[Mail] = field(default_factory=list)
    problem: Exception | None = None

    def send(self, mail: Mail) -> None:
        if self.problem is not None:
            raise self.problem
        self.mails.append(mail)

    def collect(self, database: Database, clock: Clock) -> Mail:
        """Send what is due; return the last mail that came."""
        MailWorker(database, self, clock).drain()
        return self.mails[-1]


def link(mail: Mail) -> str:
    """Return the path and query of a mail's link."""
    found = re.search(r"https?://[^/\s]+(/\S*)", mail.text)
    assert found is not None
    return found[1]
