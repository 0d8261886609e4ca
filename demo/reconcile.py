"""Three books of the same traffic, kept independently, compared per consumer and by request id.

The client's answers that match the meter, the usage events that do, and what the invoices' lines are made of
must be the same set, each member once.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass

__all__ = ["Entry", "Reconciliation", "reconcile"]

Entry = tuple[str, str]

_SHOWN = 5


@dataclass(frozen=True, slots=True)
class Reconciliation:
    """The comparison: three sizes, what is missing somewhere, and every difference in words."""

    served: int
    metered: int
    invoiced: int
    lost: int
    doubled: int
    differences: tuple[str, ...]

    @property
    def agrees(self) -> bool:
        """Whether all three are the same."""
        return not self.differences

    def verdict(self, limited: int) -> str:
        """Return the demo's last line."""
        return (
            f"served={self.served} metered={self.metered} invoiced={self.invoiced} limited={limited} "
            f"lost={self.lost} doubled={self.doubled}"
        )


def reconcile(
    *,
    served: Iterable[Entry],
    metered: Iterable[Entry],
    invoiced: Iterable[Entry],
    charged: Mapping[str, int],
    seen: Collection[str],
) -> Reconciliation:
    """Compare the books, each given as (consumer, request id) of every entry.

    `charged` is the quantity on each consumer's invoice lines: that it equals the number of requests the
    lines open to is part of the comparison. `lost` counts served requests that a later book lacks, `doubled`
    entries beyond the first of a request in any book. `seen` are the request ids by the upstream's own list:
    what was served without it is a difference too.
    """
    books = {"client": Counter(served), "usage events": Counter(metered), "invoices": Counter(invoiced)}
    client = books["client"]
    lost, doubled, differences = set(), 0, []
    for name, book in books.items():
        repeated = [entry for entry, times in book.items() if times > 1]
        doubled += sum(book[entry] - 1 for entry in repeated)
        differences += _in_words(f"more than once in {name}", repeated)
        missing = client.keys() - book.keys()
        lost |= missing
        differences += _in_words(f"served, but not in {name}", missing)
        differences += _in_words(f"in {name}, but not received by the client", book.keys() - client.keys())
    unseen = [entry for entry in client if entry[1] not in seen]
    differences += _in_words("served, but never seen by the upstream", unseen)
    opened = Counter(consumer for consumer, _ in books["invoices"].elements())
    differences += [
        f"{consumer}: lines for {charged.get(consumer, 0)} calls open to {opened[consumer]} requests"
        for consumer in sorted(opened.keys() | charged.keys())
        if charged.get(consumer, 0) != opened[consumer]
    ]
    return Reconciliation(
        served=client.total(),
        metered=books["usage events"].total(),
        invoiced=sum(charged.values()),
        lost=len(lost),
        doubled=doubled,
        differences=tuple(differences),
    )


def _in_words(what: str, entries: Iterable[Entry]) -> list[str]:
    """Return a line per consumer, with the first few request ids."""
    by_consumer: dict[str, list[str]] = {}
    for consumer, request_id in sorted(entries):
        by_consumer.setdefault(consumer, []).append(request_id)
    return [
        f"{consumer}: {len(ids)} {what}: {', '.join(ids[:_SHOWN])}{' …' if len(ids) > _SHOWN else ''}"
        for consumer, ids in by_consumer.items()
    ]
