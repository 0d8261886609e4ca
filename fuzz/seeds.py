"""`seeds.py FOLDER`: writes what the targets begin with, a folder for each, out of the engine's test data."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

DATA = Path(__file__).resolve().parents[1] / "crates" / "engine" / "tests" / "data"
# Long repetitions are cut: they teach a fuzzer nothing.
MOST = 200


def sent(send: str | list[str | list[Any]]) -> bytes:
    """Return a case's bytes; the corpus' README says how they are written."""
    pieces = [send] if isinstance(send, str) else send
    text = "".join(piece if isinstance(piece, str) else piece[0] * min(piece[1], MOST) for piece in pieces)
    return text.encode("latin-1")


def messages(target: str, file: Path) -> Iterator[tuple[str, bytes]]:
    """Yield each case for its target, and what follows its head for `chunked`, in pieces of 6 bytes."""
    for case in json.loads(file.read_text(encoding="utf-8")):
        message = sent(case["send"])
        yield target, message
        _, _, body = message.partition(b"\r\n\r\n")
        if body:
            yield "chunked", b"\x05" + body


def configurations() -> Iterator[tuple[str, bytes]]:
    """Yield the base with frames behind it, and bases with one part emptied."""
    base = json.loads((DATA / "base.json").read_text(encoding="utf-8"))
    consumer = {
        "id": "00000005-0000-4000-8000-000000000000",
        "username": "a",
        "custom_id": None,
        "groups": [],
        "acls": [],
        "plugins": [],
        "customer": None,
        "phase": None,
        "mode": "live",
    }
    frames = [
        {"type": "rows", "table": "consumers", "rows": [consumer]},
        {"type": "full_end", "version": 1},
        {"type": "delta", "from": 1, "to": 2, "upserts": {}, "deletes": {}},
    ]
    yield "configuration", "\n".join(map(json.dumps, [base, *frames])).encode()
    for name, part in base.items():
        yield "configuration", json.dumps(base | {name: [] if isinstance(part, list) else None}).encode()


def streams() -> Iterator[tuple[str, bytes]]:
    """Yield requests of HTTP/2, their parts separated by NUL: flags, method, URI, names and values."""
    for target in ("/", "/a?b=c", "/a//../b#c", "*", "/%00"):
        for fields in (
            (),
            ("host", "a"),
            ("content-length", "5"),
            ("cookie", "a=b", "cookie", "c=d"),
            ("te", "trailers"),
        ):
            yield "h2_head", "\0".join(("0", "POST", f"https://a:1{target}", *fields)).encode()
    for name in ("transfer-encoding", "connection", "host", "x-consumer-id", "content-length"):
        yield "h2_head", f"1\0GET\0http://a/\0{name}\0chunked".encode()


def records() -> Iterator[tuple[str, bytes]]:
    """Yield segments: each record a kind, a length in units of 8, a body; an event's path length at 170."""
    hole, damage = bytes([2, 1]) + bytes(8), bytes([200, 1]) + b"damaged!"
    for path in (0, 8, 24):
        body = bytearray(176 + path)
        body[170] = path
        event = bytes([1, len(body) // 8]) + body
        yield "usage_log", event + hole + event + damage + event


def main() -> None:
    """Write them all."""
    hostile = DATA / "hostile"
    seeds = [seed for file in (hostile / "requests").iterdir() for seed in messages("request_head", file)]
    seeds += [*messages("response_head", hostile / "answers.json"), *configurations(), *streams(), *records()]
    for number, (target, data) in enumerate(seeds):
        folder = Path(sys.argv[1]) / target
        folder.mkdir(parents=True, exist_ok=True)
        (folder / f"seed-{number:04}").write_bytes(data)


if __name__ == "__main__":
    main()
