"""An access log's bytes: plain or gzip, told apart by their first bytes, in blocks of whole lines.

Memory stays constant however large the file is, how well it is compressed and how long its lines are.
"""

from __future__ import annotations

import zlib
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import BinaryIO, NamedTuple

from tollway.kernel.errors import InvalidInput

__all__ = ["MAX_LINE_BYTES", "Block", "read_blocks"]

MAX_LINE_BYTES = 1 << 20
"""A longer line is no access log's; it is counted as faulty and skipped."""

_BLOCK_BYTES = 1 << 20
_GZIP_MAGIC = b"\x1f\x8b"


class Block(NamedTuple):
    """Whole lines, the last perhaps without its newline. `first_line` counts from 1.

    An `oversized` block stands for one line that was too long, and holds only its beginning.
    """

    data: bytes
    first_line: int
    oversized: bool = False


def read_blocks(path: Path, progress: Callable[[int], object] = lambda _read: None) -> Iterator[Block]:
    """Yield the lines of a file. `progress` is told how many bytes of the file have been read so far.

    Raises:
        InvalidInput: the file can't be opened or read, or is a gzip file that is damaged or cut off; what was
            whole before that has been yielded.
    """
    line, rest, skipping = 1, b"", False
    contents = _contents(path, progress)
    while True:
        try:
            data = next(contents, None)
        except _DamageError as damage:
            raise InvalidInput(
                str(path),
                f"{damage.problem} near byte {damage.position}; {line - 1} whole lines were read before it",
                "copy the file again, or take what is whole: `zcat FILE | head -n LINES`",
            ) from None
        if data is None:
            break
        rest += data
        end = rest.rfind(b"\n") + 1
        if skipping:
            start = rest.find(b"\n") + 1
            rest = rest[start:] if start else b""
            if not start:
                continue
            skipping, end = False, end - start
        if end:
            yield Block(rest[:end], line)
            line += rest.count(b"\n", 0, end)
            rest = rest[end:]
        if len(rest) > MAX_LINE_BYTES:
            yield Block(rest[:MAX_LINE_BYTES], line, oversized=True)
            line, rest, skipping = line + 1, b"", True
    if rest:
        yield Block(rest, line)


class _DamageError(Exception):
    """The gzip data can't be read on from `position`."""

    def __init__(self, position: int, problem: str) -> None:
        self.position, self.problem = position, problem
        super().__init__(problem)


def _contents(path: Path, progress: Callable[[int], object]) -> Iterator[bytes]:
    try:
        with path.open("rb") as file:
            compressed = file.read(len(_GZIP_MAGIC)) == _GZIP_MAGIC
            file.seek(0)
            yield from _gunzipped(file, progress) if compressed else _plain(file, progress)
    except OSError as error:
        raise InvalidInput(
            str(path), error.strerror or "can't be read", "name a log that can be read"
        ) from None


def _plain(file: BinaryIO, progress: Callable[[int], object]) -> Iterator[bytes]:
    read = 0
    while data := file.read(_BLOCK_BYTES):
        read += len(data)
        progress(read)
        yield data


def _gunzipped(file: BinaryIO, progress: Callable[[int], object]) -> Iterator[bytes]:
    read, member = 0, zlib.decompressobj(wbits=31)
    while data := file.read(1 << 16):
        read += len(data)
        progress(read)
        try:
            while data:
                if member.eof:
                    # Rotated logs are often concatenated: another member follows, or zeros that pad a tape.
                    data = data.lstrip(b"\0")
                    if not data:
                        break
                    member = zlib.decompressobj(wbits=31)
                yield member.decompress(data, _BLOCK_BYTES)
                data = member.unused_data if member.eof else member.unconsumed_tail
        except zlib.error as error:
            reason = str(error).rpartition(": ")[2]
            raise _DamageError(read - len(data), f"the gzip data are damaged ({reason})") from None
    if not member.eof:
        raise _DamageError(read, "the gzip data are cut off")
