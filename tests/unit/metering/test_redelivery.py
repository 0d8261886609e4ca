"""Messages without identity are counted once, wherever the worker dies: against a model of the queue."""

from __future__ import annotations

from collections import Counter
from typing import Literal

from hypothesis import example, given
from hypothesis import strategies as st

from tollway.metering.redelivery import Deliveries, fingerprint, from_bytes, to_bytes

BATCH = 3
Death = Literal["getting", "stored", "acknowledged", "noted"]


class Queue:
    """A broker's queue: what isn't acknowledged when the connection ends is at its head again, marked."""

    def __init__(self) -> None:
        self.ready: list[tuple[bytes, bool]] = []
        self.out: list[tuple[bytes, bool]] = []

    def publish(self, body: bytes) -> None:
        self.ready.append((body, False))

    def get(self) -> tuple[bytes, bool] | None:
        if not self.ready:
            return None
        self.out.append(self.ready.pop(0))
        return self.out[-1]

    def acknowledge(self) -> None:
        self.out.clear()

    def disconnect(self) -> None:
        self.ready[:0] = [(body, True) for body, _ in self.out]
        self.out.clear()


class Worker:
    """Its `stored` state and count outlive it, as a database does."""

    def __init__(self, queue: Queue) -> None:
        self.queue = queue
        self.stored = Deliveries.none()
        self.counted: Counter[bytes] = Counter()

    def session(self, deaths: list[Death | None]) -> bool:
        """Work through the queue, dying at each batch where the list says; returns whether that was all."""
        self.stored = self.stored.session_began()
        while True:
            death = deaths.pop(0) if deaths else None
            batch: list[tuple[bytes, bool]] = []
            end = False
            while len(batch) < BATCH:
                message = self.queue.get()
                end = message is None
                if message is None:
                    break
                batch.append((fingerprint(message[0], None), message[1]))
                if self.stored.awaits() and not message[1]:
                    break
            if death == "getting":
                return False
            taken = [body for body, _ in self.queue.out]
            counts, self.stored = self.stored.take(batch, reached_end=end)
            self.counted.update(body for body, counted in zip(taken, counts, strict=True) if counted)
            if death == "stored":
                return False
            self.queue.acknowledge()
            if death == "acknowledged":
                return False
            self.stored = self.stored.acknowledged()
            if death == "noted":
                return False
            if end and not batch:
                return True


bodies = st.lists(st.sampled_from([b"a", b"b"]), max_size=12)
deaths = st.lists(st.sampled_from([None, "getting", "stored", "acknowledged", "noted"]), max_size=12)


def run(published: list[bytes], wanted: list[Death | None]) -> tuple[Counter[bytes], int]:
    """Return what was counted, and how often the one gap was met that costs a message.

    That is each death while getting, in a row, behind one between acknowledging a batch and noting it.
    """
    queue = Queue()
    worker = Worker(queue)
    rest = list(wanted)
    gaps, unnoted = 0, False
    for death in rest:
        gaps += unnoted and death == "getting"
        unnoted = death == "acknowledged" or (unnoted and death == "getting")
    for body in published[::2]:
        queue.publish(body)
    later = published[1::2]
    while not worker.session(rest):
        queue.disconnect()
        for body in later[:2]:
            queue.publish(body)
        del later[:2]
    for body in later:
        queue.publish(body)
    assert worker.session([])
    return worker.counted, gaps


@example(published=[b"a"] * 4, wanted=["acknowledged", "getting", "getting"])
@given(published=bodies, wanted=deaths)
def test_each_message_is_counted_once(published: list[bytes], wanted: list[Death | None]) -> None:
    counted, gaps = run(published, wanted)
    missing = Counter(published)
    missing.subtract(counted)
    assert all(number >= 0 for number in missing.values()), "counted twice"
    assert missing.total() <= gaps


def test_what_comes_again_is_told_from_an_equal_sale() -> None:
    mark = fingerprint(b"{}", None)
    counts, state = Deliveries.none().take([(mark, False), (mark, False)], reached_end=True)
    assert counts == [True, True]
    again = state.session_began()
    counts, _ = again.take([(mark, True), (mark, True), (mark, True), (mark, False)], reached_end=False)
    assert counts == [False, False, True, True]


def test_a_message_id_is_part_of_the_fingerprint() -> None:
    marks = {fingerprint(b"x", None), fingerprint(b"x", ""), fingerprint(b"x", "1"), fingerprint(b"1x", "")}
    assert len(marks) == 4


@given(st.lists(st.binary(max_size=3)))
def test_multisets_are_stored_whole(found: list[bytes]) -> None:
    marks = Counter(fingerprint(body, None) for body in found)
    assert from_bytes(to_bytes(marks)) == marks
