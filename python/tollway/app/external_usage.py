"""Taking in usage that others report: whose it is, from the main database, and its storing, in the other."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from tollway.kernel.clock import Clock
from tollway.kernel.errors import InvalidInput
from tollway.metering.external import Attributed, Parked, UsageReport
from tollway.metering.ports import Attributions, ExternalStorage, ExternalStore
from tollway.metering.reports import read_message

__all__ = ["ExternalUsage", "Message", "Replayed", "Taken"]

_PORTION = 500


@dataclass(frozen=True, slots=True)
class Message:
    """A message of a queue, read: what it reports, and itself, in case nobody of that name exists."""

    report: UsageReport
    body: bytes


@dataclass(frozen=True, slots=True)
class Taken:
    """What became of messages."""

    stored: int = 0
    duplicates: int = 0
    """Their source and id had been stored before."""
    parked: int = 0


@dataclass(frozen=True, slots=True)
class Replayed:
    """What became of parked messages. The rest of them still names nobody."""

    stored: int
    duplicates: int
    unbilled: int
    """Of the stored: those of a time at which their consumer had no subscription."""
    left: int


class ExternalUsage:
    """Takes in what the queue and the API bring."""

    def __init__(self, storage: ExternalStorage, attributions: Attributions, clock: Clock) -> None:
        self._storage = storage
        self._attributions = attributions
        self._clock = clock

    def take_messages(
        self, messages: Sequence[Message], queue: str, beside: Callable[[ExternalStore], None]
    ) -> Taken:
        """Store messages, or park those that name nobody, in one transaction with what `beside` writes."""
        now = self._clock.now()
        whose = self._attributions.of([message.report for message in messages], now, early=False)
        known = [
            Attributed(message.report, found, now)
            for message, found in zip(messages, whose, strict=True)
            if found is not None
        ]
        strangers = [
            Parked(
                position=0,
                queue=queue,
                subject=message.report.subject,
                body=message.body,
                source=message.report.source,
                id=message.report.id,
                received_at=now,
            )
            for message, found in zip(messages, whose, strict=True)
            if found is None
        ]
        with self._storage.write() as store:
            added = store.add(known)
            store.park(strangers)
            beside(store)
        return Taken(sum(added), len(added) - sum(added), len(strangers))

    def take_reports(self, reports: Sequence[UsageReport]) -> list[bool]:
        """Store reports, all or none, in one transaction; False for each that had been stored before.

        Raises:
            InvalidInput: one names no consumer, or another than its reporter; the location is its place,
                `[3].subject`.
        """
        now = self._clock.now()
        whose = self._attributions.of(reports, now, early=False)
        attributed = []
        for index, (report, found) in enumerate(zip(reports, whose, strict=True)):
            # A customer's own custom id may be another one's username, which goes before it.
            stranger = report.reporter is not None and found is not None and found.consumer != report.reporter
            if found is None or stranger:
                raise InvalidInput(
                    f"[{index}].subject",
                    f"there is no consumer {report.subject!r}",
                    "write a consumer's username, custom id or id",
                )
            attributed.append(Attributed(report, found, now))
        with self._storage.write() as store:
            return store.add(attributed)

    def replay(self, *, subject: str | None = None, early: bool = False) -> Replayed:
        """Store what is parked and names somebody by now, `subject` only if given.

        `early`: what was used before its consumer's first subscription is billed as its first phase's.
        """
        stored = duplicates = unbilled = left = after = 0
        while True:
            with self._storage.read() as store:
                parked = store.parked(after=after, subject=subject, limit=_PORTION)
            if not parked:
                return Replayed(stored, duplicates, unbilled, left)
            after = parked[-1].position
            now = self._clock.now()
            reports = [_report(message) for message in parked]
            whose = self._attributions.of(reports, now, early=early)
            found = [
                (message, Attributed(report, attribution, message.received_at))
                for message, report, attribution in zip(parked, reports, whose, strict=True)
                if attribution is not None
            ]
            left += len(parked) - len(found)
            if not found:
                continue
            with self._storage.write() as store:
                # Another replay may have taken some of them meanwhile.
                ours = store.unpark([message.position for message, _ in found])
                chosen = [attributed for message, attributed in found if message.position in ours]
                added = store.add(chosen)
            stored += sum(added)
            duplicates += len(added) - sum(added)
            unbilled += sum(new and one.whose.phase is None for new, one in zip(added, chosen, strict=True))


def _report(message: Parked) -> UsageReport:
    # It was good when it was parked, by the clock of then.
    return read_message(message.body, source=message.source, message_id=message.id, now=message.received_at)
