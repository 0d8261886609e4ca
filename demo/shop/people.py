"""The shop's people: who signs in for each firm, who runs the shop, and what they wrote to each other."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from uuid import UUID

from demo.shop.cast import Firm
from tollway.accounts.models import Membership, MembershipRole, Operator, Organisation, User
from tollway.accounts.passwords import Passwords
from tollway.app.helpdesk import Helpdesk
from tollway.kernel.clock import ManualClock
from tollway.kernel.ids import new_id
from tollway.storage.accounts import SqlOperators, SqlPeople
from tollway.storage.database import Database
from tollway.storage.key_labels import SqlKeyLabels
from tollway.support.models import Author, Side

__all__ = ["OPERATOR", "PASSWORD", "People", "address_of"]

PASSWORD = "three-months-of-calls"  # noqa: S105  # of a shop that lives as long as the demo runs
OPERATOR = "ada@atlas.example"


@dataclass(frozen=True, slots=True)
class _Letter:
    """A ticket: what a firm asked on a day since the opening, and what came back."""

    day: int
    firm: str
    subject: str
    question: str
    answer: str | None = None
    closed: bool = False


_LETTERS = (
    _Letter(
        18,
        "tram-and-train",
        "Which population figures are these?",
        "The `population` of Utrecht differs from what we had before. Which year is it?",
        "It is GeoNames' figure of this spring; `/v1/sources` names the file and its date.",
        closed=True,
    ),
    _Letter(
        52,
        "fernweh-maps",
        "Credit on our invoice after the upgrade",
        "We moved to Scale in the middle of a month. Is the *credit* line what was left of Growth?",
        "Yes: the part of the month that was left, to the second. The invoice has both fractions.",
    ),
    _Letter(
        64,
        "vista-geo",
        "Card declined",
        "Our card was declined for the last invoice although the bank sees no attempt. Can you look?",
    ),
    _Letter(
        89,
        "paper-planes",
        "404 for a city that moved",
        "City 2950159 answers, 2950158 is a 404 since yesterday:\n\n```\nGET /v1/cities/2950158\n```",
    ),
)


def address_of(firm: Firm) -> str:
    """Return the address with which a firm signs in."""
    return f"owner@{firm.slug}.example"


class People:
    """Adds people to a past while it goes on."""

    def __init__(self, main: Database, clock: ManualClock) -> None:
        self._main = main
        self._clock = clock
        # One hash for everybody: they share the password, and each hash takes its time.
        self._hash = Passwords().hash(PASSWORD)
        self._users: dict[str, tuple[UUID, Author]] = {}
        self._operator = Operator(
            id=new_id(),
            email=OPERATOR,
            name="Ada",
            password_hash=self._hash,
            created_at=clock.now(),
        )
        with main.write() as connection:
            SqlOperators(connection).save_operator(self._operator)

    def join(self, firm: Firm, customer: UUID, consumer: UUID, key: UUID) -> None:
        """Let a firm's owner sign in to the portal; its first key is called so."""
        now = self._clock.now()
        organisation = Organisation(
            id=new_id(),
            slug=firm.slug,
            name=firm.name,
            customer=customer,
            consumer=consumer,
            created_at=now,
        )
        user = User(
            id=new_id(),
            email=address_of(firm),
            password_hash=self._hash,
            confirmed_at=now,
            created_at=now,
        )
        with self._main.write() as connection:
            people = SqlPeople(connection)
            people.save_organisation(organisation)
            people.save_user(user)
            people.add_membership(
                Membership(
                    organisation=organisation.id, user=user.id, role=MembershipRole.OWNER, created_at=now
                )
            )
            SqlKeyLabels(connection).add(key, "production", user.id, now)
        self._users[firm.slug] = (organisation.id, Author(Side.CUSTOMER, user.id, user.email))

    def write(self, day: int) -> None:
        """Write the day's letters; they are answered an hour later."""
        helpdesk = Helpdesk(self._main, self._clock)
        for letter in _LETTERS:
            if letter.day != day:
                continue
            organisation, author = self._users[letter.firm]
            ticket = helpdesk.ask(organisation, author, letter.subject, letter.question)
            if letter.answer is not None:
                self._clock.advance(timedelta(hours=1))
                operator = Author(Side.OPERATOR, self._operator.id, self._operator.name)
                helpdesk.reply(ticket.id, operator, letter.answer)
            if letter.closed:
                helpdesk.close(ticket.id, organisation=organisation)
