"""`python bench/pingora/hostile.py PROGRAM`: the hostile corpus against a program of this folder.

Prints what reached the upstream although it should be refused, and what got there otherwise than written.
"""

from __future__ import annotations

import contextlib
import json
import socket
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path
from typing import Any

HERE = Path(__file__).resolve().parent
CORPUS = HERE.parents[1] / "crates" / "engine" / "tests" / "data" / "hostile" / "requests"
OWN = ("via", "x-forwarded-", "x-real-ip", "x-kong-")


def free_port() -> int:
    """Return a port that nobody has."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


class Upstream:
    """Writes down every byte, and answers whatever looks like a head."""

    def __init__(self) -> None:
        """Listen."""
        self.listener = socket.create_server(("127.0.0.1", 0), backlog=256)
        self.port = int(self.listener.getsockname()[1])
        self.seen: list[bytearray] = []
        threading.Thread(target=self.accept, daemon=True).start()

    def accept(self) -> None:
        """Take connections."""
        while True:
            connection, _ = self.listener.accept()
            threading.Thread(target=self.serve, args=(connection,), daemon=True).start()

    def serve(self, connection: socket.socket) -> None:
        """Answer once per head, a moment after its last byte, so that its body has come too."""
        stream = bytearray()
        self.seen.append(stream)
        connection.settimeout(0.05)
        answered = 0
        with contextlib.suppress(OSError):
            while True:
                try:
                    data = connection.recv(65536)
                    if not data:
                        return
                    stream += data
                except TimeoutError:
                    if len(stream) > answered:
                        answered = len(stream)
                        head = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nConnection: close\r\n\r\n"
                        connection.sendall(head + b"ok")
                        return


def sent(send: str | list[Any]) -> bytes:
    """Return a case's bytes."""
    pieces = [send] if isinstance(send, str) else send
    return "".join(one if isinstance(one, str) else one[0] * one[1] for one in pieces).encode("latin-1")


def ask(port: int, data: bytes) -> bytes:
    """Send, and read until the end or half a second of silence."""
    answer = b""
    with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), timeout=1.0) as client:
        client.settimeout(0.5)
        client.sendall(data)
        while data := client.recv(65536):
            answer += data
    return answer


def lines(head: bytes) -> list[str]:
    """Return a head's lines in one spelling and order, without those that a gateway adds."""
    first, *rest = head.decode("latin-1").split("\r\n")
    parts = [line.partition(":") for line in rest if line]
    named = [(name.lower(), value.strip()) for name, _, value in parts]
    return [first, *sorted(f"{name}: {value}" for name, value in named if not name.startswith(OWN))]


def main() -> None:
    """Run every case."""
    upstream, port = Upstream(), free_port()
    cases = [case for file in sorted(CORPUS.iterdir()) for case in json.loads(file.read_text())]
    cases = [case for case in cases if not case.get("keyed")]
    with tempfile.TemporaryDirectory() as folder:
        (Path(folder) / "usage-log").mkdir()
        command = [sys.argv[1], str(port), folder, str(upstream.port)]
        program = subprocess.Popen(command, stderr=subprocess.DEVNULL)
        try:
            while not ask(port, b"GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n"):
                time.sleep(0.1)
            passed, changed, refused, right = [], [], [], 0
            for case in cases:
                upstream.seen.clear()
                behind = b"GET /smuggled HTTP/1.1\r\nHost: a\r\n\r\n" if "refused" in case else b""
                answer = ask(port, sent(case["send"]) + behind)
                status = answer[9:12].decode("latin-1", "replace") or "closed"
                got = [bytes(stream) for stream in upstream.seen if stream]
                wanted = case.get("forwarded", [])
                if not wanted:
                    if got:
                        passed.append(f"{case['name']} ({status})")
                    else:
                        right += 1
                elif not got:
                    refused.append(f"{case['name']} ({status})")
                else:
                    heads = [stream.partition(b"\r\n\r\n")[0] for stream in got]
                    expected = lines(wanted[0]["head"].strip().encode("latin-1"))
                    if any(lines(head) == expected for head in heads):
                        right += 1
                    else:
                        extra = set(lines(heads[0])) ^ set(expected)
                        changed.append(f"{case['name']}: {sorted(extra)[:4]}")
        finally:
            program.kill()  # Pingora would drain for minutes
            program.wait()
    print(f"{len(cases)} cases: {right} as defined")
    titles = ("should be refused, reached the upstream", "forwarded otherwise", "refused, though harmless")
    for title, names in zip(titles, (passed, changed, refused), strict=True):
        print(f"{title}: {len(names)}")
        for name in names:
            print(f"  {name}")


if __name__ == "__main__":
    main()
