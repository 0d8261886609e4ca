"""Counting an access log: how many requests of each method and status each consumer made."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path

from tollway.kernel.errors import InvalidInput
from tollway.metering.access_log.combined import ADDRESS, LINE, METHOD, STATUS, USER, find_fault
from tollway.metering.access_log.json_lines import LineFault, read_line
from tollway.metering.access_log.source import MAX_LINE_BYTES, Block, read_blocks

__all__ = ["ANONYMOUS", "ConsumerField", "RequestKind", "Tally", "tally_log"]

ANONYMOUS = "anonymous"
"""Stands for the consumer of lines that name none."""

_KEPT_FAULTS = 5

Entry = tuple[bytes, bytes, bytes]
"""Consumer, method and status as the log has them."""


class ConsumerField(StrEnum):
    """Which field of the log says who made a request."""

    REMOTE_USER = "remote_user"
    REMOTE_ADDR = "remote_addr"


@dataclass(frozen=True, slots=True)
class RequestKind:
    """What a meter's filter can tell apart in an access log. `method` is empty where the log had none."""

    method: str
    status: int


@dataclass(slots=True)
class Tally:
    """What an access log holds. Empty lines aren't counted; faulty ones count as read and as rejected."""

    requests: dict[str, Counter[RequestKind]] = field(default_factory=dict)
    lines_read: int = 0
    lines_rejected: int = 0
    faults: list[InvalidInput] = field(default_factory=list)
    """The first few of the rejected lines: file, line, field and fix."""


def tally_log(
    path: Path, consumer_field: ConsumerField, progress: Callable[[int], object] = lambda _read: None
) -> Tally:
    """Count the requests of a log in the combined format or in JSON lines, plain or gzip.

    Raises:
        InvalidInput: the file can't be read to its end.
    """
    counts: Counter[Entry] = Counter()
    tally = Tally()
    counter = _LineCounter(path, consumer_field, counts, tally)
    for block in read_blocks(path, progress):
        counter.add(block)
    for (consumer, method, status), number in counts.items():
        kinds = tally.requests.setdefault(_name(consumer), Counter())
        kinds[RequestKind(method.decode(errors="backslashreplace"), int(status))] += number
    return tally


def _name(consumer: bytes) -> str:
    name = consumer.decode(errors="backslashreplace").strip()
    if name in {"", "-"}:
        return ANONYMOUS
    # Whoever called wrote this, and it may be printed on a terminal.
    return name if name.isprintable() else name.encode("unicode_escape").decode()


class _LineCounter:
    """Adds blocks of lines to the counts. The first line with anything on it decides the format."""

    def __init__(
        self, path: Path, consumer_field: ConsumerField, counts: Counter[Entry], tally: Tally
    ) -> None:
        self._path = path
        self._field = consumer_field
        self._counts = counts
        self._tally = tally
        self._json: bool | None = None
        who = ADDRESS if consumer_field is ConsumerField.REMOTE_ADDR else USER
        self._groups = (who + 1, METHOD + 1, STATUS + 1)
        self._who = who

    def add(self, block: Block) -> None:
        if block.oversized:
            self._tally.lines_read += 1
            self._reject(block.first_line, "line", f"longer than {MAX_LINE_BYTES} bytes", "split or drop it")
            return
        if self._json is None and (start := block.data.lstrip()[:1]):
            self._json = start == b"{"
        if self._json:
            self._add_each(block, self._json_line)
            return
        # One search over a whole block is several times as fast as one for each line. Only where the
        # numbers don't agree, because a line is faulty or empty, is each looked at.
        found = LINE.findall(block.data)
        lines = block.data.count(b"\n") + (not block.data.endswith(b"\n"))
        if len(found) == lines:
            who = self._who
            self._counts.update([(groups[who], groups[METHOD], groups[STATUS]) for groups in found])
            self._tally.lines_read += lines
        else:
            self._add_each(block, self._combined_line)

    def _add_each(self, block: Block, read: Callable[[bytes], Entry]) -> None:
        for number, line in _numbered(block):
            self._tally.lines_read += 1
            try:
                self._counts[read(line)] += 1
            except LineFault as fault:
                self._reject(number, fault.field, fault.problem, fault.fix)

    def _json_line(self, line: bytes) -> Entry:
        return read_line(line, self._field)

    def _combined_line(self, line: bytes) -> Entry:
        found = LINE.match(line)
        if found is None:
            raise LineFault(*find_fault(line))
        consumer, method, status = found.group(*self._groups)
        return consumer, method or b"", status

    def _reject(self, line: int, name: str, problem: str, fix: str) -> None:
        self._tally.lines_rejected += 1
        if len(self._tally.faults) < _KEPT_FAULTS:
            self._tally.faults.append(InvalidInput(f"{self._path}:{line}: {name}", problem, fix))


def _numbered(block: Block) -> Iterator[tuple[int, bytes]]:
    for number, line in enumerate(block.data.split(b"\n"), start=block.first_line):
        if line.strip():
            yield number, line
