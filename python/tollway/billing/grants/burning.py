"""Burning grants down: usage, resets and the grants' own times, played through in one fixed order.

At one instant grants end first, then comes a reset, then grants begin, recur, and at last are used. What
happened at `start` is part of the balances that it is begun with, usage excepted.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime
from decimal import Decimal
from enum import IntEnum
from fractions import Fraction
from typing import NamedTuple
from zoneinfo import ZoneInfo

from tollway.billing.grants.account import Account
from tollway.billing.grants.models import BurnDown, Grant, Recurrence
from tollway.billing.periods import Schedule
from tollway.catalog.models import Interval
from tollway.kernel.errors import InvalidInput

__all__ = ["MOST_RECURRENCES", "Usage", "burn_down"]

MOST_RECURRENCES = 100_000
"""How often all grants together may recur: two of them daily for a century."""

_INTERVALS = {
    Recurrence.DAILY: Interval.DAY,
    Recurrence.WEEKLY: Interval.WEEK,
    Recurrence.MONTHLY: Interval.MONTH,
}
_UTC = ZoneInfo("UTC")


class Usage(NamedTuple):
    """So much was used at an instant."""

    at: datetime
    quantity: Decimal


class _Step(IntEnum):
    """What happens at an instant, in this order."""

    END = 0
    RESET = 1
    ACTIVATION = 2
    RECURRENCE = 3
    USAGE = 4


class _Event(NamedTuple):
    at: datetime
    step: _Step
    rank: int
    """The grant's place in the burn order; events of no grant don't care."""
    quantity: Fraction


def burn_down(
    grants: Sequence[Grant],
    *,
    start: datetime,
    until: datetime,
    opening: Mapping[str, Decimal] | None = None,
    usage: Sequence[Usage] = (),
    resets: Sequence[datetime] = (),
    preserve_overage: bool = False,
) -> BurnDown:
    """Play grants through from `start` until `until`, both included.

    `opening` is what grants in force at `start` have left there, by id; it is their amount where nothing is
    said. Usage and resets outside the stretch don't count, nor does a reset at `start`.

    Raises:
        InvalidInput: the grants recur more than `MOST_RECURRENCES` times.
    """
    in_order = sorted(grants, key=lambda grant: grant.burn_order)
    account = Account(grants)
    for grant in in_order:
        if grant.in_force(start):
            account.activate(grant, Fraction((opening or {}).get(grant.id, grant.amount)))
    events = [_Event(used.at, _Step.USAGE, 0, Fraction(used.quantity)) for used in usage if used.at >= start]
    events += [_Event(at, _Step.RESET, 0, Fraction(0)) for at in set(resets) if at > start]
    events += _events_of_grants(in_order, start, until)
    for event in sorted(event for event in events if event.at <= until):
        match event.step:
            case _Step.END:
                account.lapse(in_order[event.rank])
            case _Step.RESET:
                account.reset(preserve_overage=preserve_overage)
            case _Step.ACTIVATION:
                account.activate(in_order[event.rank], event.quantity)
            case _Step.RECURRENCE:
                account.recur(in_order[event.rank])
            case _Step.USAGE:
                account.use(event.quantity)
    return account.burn_down()


def _events_of_grants(in_order: Sequence[Grant], start: datetime, until: datetime) -> Iterator[_Event]:
    recurred = 0
    for rank, grant in enumerate(in_order):
        amount = Fraction(grant.amount)
        if grant.ends_at is not None and grant.ends_at > start:
            yield _Event(grant.ends_at, _Step.END, rank, amount)
        if grant.effective_at > start and grant.in_force(grant.effective_at):
            yield _Event(grant.effective_at, _Step.ACTIVATION, rank, amount)
        for at in _recurrences(grant, max(start, grant.effective_at), until):
            recurred += 1
            if recurred > MOST_RECURRENCES:
                raise InvalidInput(
                    "until", f"grants recur more than {MOST_RECURRENCES} times by then", "ask for less time"
                )
            yield _Event(at, _Step.RECURRENCE, rank, amount)


def _recurrences(grant: Grant, after: datetime, until: datetime) -> Iterator[datetime]:
    """Yield when a grant recurs: after it began, while it is in force, counted from the anchor in UTC."""
    if grant.recurrence is None:
        return
    anchor = (grant.recurrence_anchor or grant.effective_at).astimezone(UTC).replace(tzinfo=None)
    schedule = Schedule(_INTERVALS[grant.recurrence], anchor, _UTC)
    at = after
    while True:
        try:
            at = schedule.next_after(at)
        except InvalidInput:
            return  # the year 10000: later than any instant that can be asked for
        if at > until or not grant.in_force(at):
            return
        yield at
