"""The traffic: lines of an access log in the order in which they happened."""

from __future__ import annotations

import gzip
import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

__all__ = ["ACCESS_LOG", "Line", "heaviest", "read_log"]

ACCESS_LOG = Path(__file__).with_name("data") / "apache_access_log.gz"

# Only the head of a combined line: what follows (bytes, referrer, agent) isn't replayed, and one line of
# the log lacks its end.
_HEAD = re.compile(r'(\S+) \S+ \S+ \[([^\]]+)\] "([A-Z]+) (\S+)[^"]*" (\d{3}) ')


@dataclass(frozen=True, slots=True)
class Line:
    """One request as the log has it."""

    time: datetime
    address: str
    method: str
    path: str
    status: int


def read_log(path: Path = ACCESS_LOG, limit: int | None = None) -> list[Line]:
    """Return the log's first `limit` lines in time order; lines of the same second stay as they stand.

    Raises ValueError for a line that isn't in combined format, naming file and line.
    """
    lines = []
    with gzip.open(path, "rt", encoding="utf-8", errors="replace") as file:
        for number, text in enumerate(file, 1):
            head = _HEAD.match(text)
            if head is None:
                raise ValueError(f"{path}:{number}: not a line of Apache's combined log format")
            address, time, method, target, status = head.groups()
            moment = datetime.strptime(time, "%d/%b/%Y:%H:%M:%S %z")
            lines.append(Line(moment, address, method, target, int(status)))
    return sorted(lines, key=lambda line: line.time)[:limit]


def heaviest(lines: Sequence[Line]) -> list[tuple[str, int]]:
    """Return every address with its number of requests, most first, then by address."""
    return sorted(Counter(line.address for line in lines).items(), key=lambda item: (-item[1], item[0]))
