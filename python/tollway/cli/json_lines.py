"""JSON lines in, JSON lines out: every question is answered as soon as it is read."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Iterator
from typing import Any, BinaryIO

from tollway.cli.output import Output, emit
from tollway.kernel.errors import InvalidInput

__all__ = ["answer_lines"]

_CHUNK = 1 << 16
_LONGEST_LINE = 1 << 24


def answer_lines(answer: Callable[[bytes], dict[str, Any]], output: Output) -> None:
    """Answer each line of standard input on standard output; empty lines are skipped.

    The table form is for people who try it out: it is printed once the input has ended.
    """
    if output is Output.TABLE:
        emit([_shown(answer(line)) for lines in _lines(sys.stdin.buffer) for line in lines], output)
        return
    for lines in _lines(sys.stdin.buffer):
        # What came in together goes out together; nobody waits for a buffer to fill.
        answers = (json.dumps(answer(line), ensure_ascii=False) + "\n" for line in lines)
        # An id may hold half of a surrogate pair, which only an escape can give back.
        sys.stdout.buffer.write("".join(answers).encode(errors="backslashreplace"))
        sys.stdout.buffer.flush()


def _lines(stream: BinaryIO) -> Iterator[list[bytes]]:
    """Yield lines in bunches, as they arrive."""
    rest = b""
    read = getattr(stream, "read1", stream.read)
    while chunk := read(_CHUNK):
        *lines, rest = (rest + chunk).split(b"\n")
        if len(rest) > _LONGEST_LINE:
            raise InvalidInput(
                "standard input", f"a line of more than {_LONGEST_LINE} bytes", "end it with a newline"
            )
        yield [line for line in lines if line.strip()]
    if rest.strip():
        yield [rest]


def _shown(answer: dict[str, Any]) -> dict[str, Any]:
    return {name: _cell(value) for name, value in answer.items()}


def _cell(value: Any) -> Any:
    if isinstance(value, list):
        return "\n".join(f"{line['description']}: {line['amount']}" for line in value)
    if isinstance(value, dict):
        return "\n".join(f"{name}: {text}" for name, text in value.items())
    return value
