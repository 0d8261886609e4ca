"""The client's own book: what it received, by each answer's request id and by nothing else of Tollway's."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field

from demo.mapping import Call

__all__ = ["Answer", "Tally"]

_LIMITED = 429


@dataclass(frozen=True, slots=True)
class Answer:
    """One answer as the client saw it; `seconds` from sending to the last byte."""

    consumer: str
    request_id: str
    status: int
    seconds: float


@dataclass(slots=True)
class Tally:
    """Every answer, and what was wrong with any."""

    answers: list[Answer] = field(default_factory=list)
    faults: list[str] = field(default_factory=list)
    may_be_limited: frozenset[str] = frozenset()

    def record(self, call: Call, answer: Answer) -> None:
        """Note an answer, and a fault where it isn't the one that the call deserves."""
        self.answers.append(answer)
        what = f"{answer.consumer} {call.method} {call.url}"
        if not answer.request_id:
            self.faults.append(f"{what}: an answer without X-Kong-Request-Id")
        if answer.status == _LIMITED and answer.consumer in self.may_be_limited:
            return
        if answer.status != call.expected:
            self.faults.append(f"{what}: {answer.status} where {call.expected} was earned")

    def record_failure(self, consumer: str, call: Call, error: Exception) -> None:
        """Note a request that got no whole answer. It isn't sent again: that would be a second request."""
        self.faults.append(f"{consumer} {call.method} {call.url}: {type(error).__name__}: {error}")

    @property
    def statuses(self) -> Counter[int]:
        """How many answers had which status."""
        return Counter(answer.status for answer in self.answers)

    @property
    def limited(self) -> int:
        """How many calls the gateway refused for the plan's rate limit."""
        return self.statuses[_LIMITED]

    def served(self) -> list[tuple[str, str]]:
        """Return (consumer, request id) of each answer that matches the catalog's meter: 2xx and 3xx."""
        return [(a.consumer, a.request_id) for a in self.answers if 200 <= a.status < 400]

    def percentile(self, share: float) -> float:
        """Return the time within which that share of the answers was complete, in seconds."""
        times = sorted(answer.seconds for answer in self.answers)
        return times[min(len(times) - 1, int(share * len(times)))] if times else 0.0
