"""Real HTTP in both directions: an upstream that notes whom it served, clients that note what they got."""

from __future__ import annotations

import asyncio
import contextlib
import http.client
import ssl
import threading
import time
from collections import Counter
from collections.abc import Iterator, Sequence

__all__ = ["Client", "Load", "Upstream", "statuses_together", "until_done"]

_ANSWERS = {
    # One for each way in which an answer can end (DESIGN 2: "before the last byte").
    b"/length": b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello",
    b"/chunked": b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n",
    b"/close": b"HTTP/1.1 200 OK\r\nConnection: close\r\n\r\nhello",
    b"/empty": b"HTTP/1.1 204 No Content\r\n\r\n",
    b"/missing": b"HTTP/1.1 404 Not Found\r\nContent-Length: 2\r\n\r\nno",
}
PATHS = tuple(path.decode() for path in _ANSWERS)


class Upstream:
    """An HTTP/1.1 server that remembers the request ids it has seen."""

    def __init__(self) -> None:
        self.seen: Counter[str] = Counter()
        self.port = 0

    @contextlib.contextmanager
    def running(self) -> Iterator[Upstream]:
        """Serve on a port of the system's choice until the block ends."""
        loop = asyncio.new_event_loop()
        started = threading.Event()
        stop = asyncio.Event()

        async def serve() -> None:
            server = await asyncio.start_server(self._answer, "127.0.0.1", 0)
            self.port = server.sockets[0].getsockname()[1]
            started.set()
            await stop.wait()
            server.close()
            for task in asyncio.all_tasks() - {asyncio.current_task()}:
                task.cancel()

        thread = threading.Thread(target=lambda: loop.run_until_complete(serve()))
        thread.start()
        started.wait()
        try:
            yield self
        finally:
            loop.call_soon_threadsafe(stop.set)
            thread.join()
            loop.close()

    async def _answer(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(asyncio.IncompleteReadError, ConnectionError, asyncio.CancelledError):
            while True:
                head = await reader.readuntil(b"\r\n\r\n")
                line, _, fields = head.partition(b"\r\n")
                for field in fields.lower().split(b"\r\n"):
                    if field.startswith(b"x-kong-request-id:"):
                        self.seen[field.partition(b":")[2].strip().decode()] += 1
                answer = _ANSWERS[line.split(b" ")[1]]
                writer.write(answer)
                await writer.drain()
                if b"Connection: close" in answer:
                    break
        writer.close()


class Client:
    """One keep-alive connection at a time; `acknowledged` are the ids of whole answers by the upstream.

    `fault` is why the last answer that did not come didn't.
    """

    def __init__(self, port: int, key: str, *, tls: ssl.SSLContext | None = None) -> None:
        """With `tls` the connections are of HTTPS."""
        self.statuses: Counter[int] = Counter()
        self.acknowledged: list[str] = []
        self.port = port
        self.fault: Exception | None = None
        self._key = key
        self._tls = tls
        self._connection: http.client.HTTPConnection | None = None

    def get(self, path: str, method: str = "GET") -> int | None:
        """Send one request; return the status of a whole answer, None if there was none."""
        if self._connection is None:
            self._connection = self._new_connection()
        try:
            self._connection.request(method, path, headers={"apikey": self._key})
            answer = self._connection.getresponse()
            answer.read()
        except (OSError, http.client.HTTPException) as error:
            self.fault = error
            self.close()
            return None
        self.statuses[answer.status] += 1
        # What the gateway answers by itself has no latency of an upstream.
        if answer.headers.get("X-Kong-Upstream-Latency") is not None:
            self.acknowledged.append(answer.headers["X-Kong-Request-Id"])
        return answer.status

    def _new_connection(self) -> http.client.HTTPConnection:
        if self._tls is None:
            return http.client.HTTPConnection("127.0.0.1", self.port, timeout=10)
        return http.client.HTTPSConnection("127.0.0.1", self.port, timeout=10, context=self._tls)

    def close(self) -> None:
        """Close the connection; the next request opens another."""
        if self._connection is not None:
            self._connection.close()
            self._connection = None


@contextlib.contextmanager
def until_done(threads: Sequence[threading.Thread], stop: threading.Event) -> Iterator[None]:
    """Run the threads while the block runs; then set `stop`, and wait until they have ended."""
    for thread in threads:
        thread.start()
    try:
        yield
    finally:
        stop.set()
        for thread in threads:
            thread.join()


class Load:
    """Clients that go on sending until told to stop."""

    def __init__(self, port: int, key: str, clients: int) -> None:
        self._clients = [Client(port, key) for _ in range(clients)]
        self._stop = threading.Event()

    @contextlib.contextmanager
    def running(self) -> Iterator[Load]:
        """Send requests while the block runs."""
        threads = [
            threading.Thread(target=self._send, args=(client, number))
            for number, client in enumerate(self._clients)
        ]
        with until_done(threads, self._stop):
            yield self

    @property
    def acknowledged(self) -> list[str]:
        """The ids of every whole answer by the upstream that some client received."""
        return [identifier for client in self._clients for identifier in client.acknowledged]

    def wait_for_more(self, number: int) -> None:
        """Return when `number` more answers have arrived."""
        target = len(self.acknowledged) + number
        give_up = time.monotonic() + 30
        while len(self.acknowledged) < target:
            assert time.monotonic() < give_up, f"no {number} answers within 30 s"
            time.sleep(0.01)

    def _send(self, client: Client, number: int) -> None:
        step = number
        while not self._stop.is_set():
            step += 1
            method = "HEAD" if step % 7 == 0 else "GET"
            answered = client.get(PATHS[step % len(PATHS)], method) is not None
            # Leaves the processors to those who start again; longer while the gateway is away.
            time.sleep(0.002 if answered else 0.02)
        client.close()


def statuses_together(clients: Sequence[Client], path: str, each: int) -> Counter[int]:
    """Let all clients begin at one moment and send `each` requests; return the statuses of all answers."""
    together = threading.Barrier(len(clients))

    def send(client: Client) -> None:
        together.wait()
        for _ in range(each):
            client.get(path)
        client.close()

    threads = [threading.Thread(target=send, args=(client,)) for client in clients]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return sum((client.statuses for client in clients), Counter())
