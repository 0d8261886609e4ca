"""Counting each message of a queue once, although messages have no identity and may come again.

A batch is stored before it is acknowledged. If the connection or this process dies between the two, the
queue gives the batch's messages out again, marked as redelivered: all of them or none, and nothing else that
we had, since no message is taken before the batch before is known to be acknowledged. So the batch's
fingerprints are stored with it, and a redelivered message that is among them is not counted again.

The states of a queue, each stored before the next step:

    nothing in flight ─ store batch ─► in flight ─ acknowledged, and the broker said so ─► nothing in flight
                                          │
                                 the session ends ─► pending: each message may come again, or none

Whatever of a batch comes again is at the queue's head. Hence, once a message comes that was never delivered
before, or none does, nothing that is still pending will come.

One gap is left, and it errs in the customer's favour: killed between acknowledging a batch and noting it, and
killed again between getting the next session's first message and storing it, that one message is taken for
one of the batch if its body is the same. Each further kill in a row at that place can cost one more.
"""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

__all__ = ["FINGERPRINT_BYTES", "Deliveries", "fingerprint", "from_bytes", "to_bytes"]

FINGERPRINT_BYTES = 16


def fingerprint(body: bytes, message_id: str | None) -> bytes:
    """Return what tells a message from others as far as that is possible: its id, if it has one, and body."""
    digest = hashlib.blake2b(digest_size=FINGERPRINT_BYTES)
    digest.update(b"-" if message_id is None else b"+" + message_id.encode() + b"\0")
    digest.update(body)
    return digest.digest()


@dataclass(frozen=True, slots=True)
class Deliveries:
    """What was stored of a queue's messages and may come again: two multisets of fingerprints."""

    in_flight: Counter[bytes]
    """Of the batch that was stored last in this session, if it isn't known to be acknowledged."""
    pending: Counter[bytes]
    """Of batches of sessions that ended in between."""

    @classmethod
    def none(cls) -> Deliveries:
        """Nothing was stored that may come again."""
        return cls(Counter(), Counter())

    def session_began(self) -> Deliveries:
        """Return the state at the beginning of a session: what was in flight may come again."""
        return Deliveries(Counter(), self.pending + self.in_flight)

    def acknowledged(self) -> Deliveries:
        """Return the state once the broker has confirmed that the batch is acknowledged."""
        return Deliveries(Counter(), self.pending)

    def take(
        self, batch: Sequence[tuple[bytes, bool]], *, reached_end: bool
    ) -> tuple[list[bool], Deliveries]:
        """Say which messages of a batch count, and return the state to store with them.

        `batch` holds fingerprint and whether it was redelivered, in the order of delivery; `reached_end`: the
        queue had no more.
        """
        pending = Counter(self.pending)
        counts: list[bool] = []
        for mark, redelivered in batch:
            known = redelivered and pending[mark] > 0
            if known:
                pending[mark] -= 1
            counts.append(not known)
        fresh = reached_end or any(not redelivered for _, redelivered in batch)
        return counts, Deliveries(Counter(mark for mark, _ in batch), Counter() if fresh else +pending)

    def awaits(self) -> bool:
        """Whether messages that were counted may come: take none behind the first that is new."""
        return bool(self.pending)


def to_bytes(marks: Counter[bytes]) -> bytes:
    """Write a multiset of fingerprints, one after the other."""
    return b"".join(sorted(marks.elements()))


def from_bytes(raw: bytes) -> Counter[bytes]:
    """Read what `to_bytes` wrote."""
    return Counter(_marks(raw))


def _marks(raw: bytes) -> Iterable[bytes]:
    return (raw[at : at + FINGERPRINT_BYTES] for at in range(0, len(raw), FINGERPRINT_BYTES))
