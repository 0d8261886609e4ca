"""The Unix socket on which control serves the configuration to gateways."""

from __future__ import annotations

import errno
import select
import socket
import time
from collections.abc import Callable
from pathlib import Path
from threading import Event, Thread
from uuid import UUID

import structlog

from tollway.contracts.configuration import SetHealth, UpstreamHealth
from tollway.gateway.ports import ConfigurationSource, GatewayState
from tollway.gateway.publisher.session import Session, Shared
from tollway.gateway.snapshot import encode
from tollway.kernel.errors import Conflict, InvalidInput

__all__ = ["Publisher", "open_configuration"]

_log = structlog.get_logger(__name__)

# How soon a commit of another process is seen; those of this process wake the publisher themselves.
_LOOK = 0.025
# After so many changes a gateway that was away gets everything instead of a delta.
_CHANGES_KEPT = 100_000
_TIDY = 60.0


class Publisher:
    """Serves the configuration; `start` returns once gateways can connect.

    Call `wake` after commits (`database.after_commit(publisher.wake)`): then a change is on its way at
    once instead of within 25 ms.
    """

    def __init__(
        self,
        source: ConfigurationSource,
        path: Path,
        *,
        lent: socket.socket | None = None,
        expected: int = 0,
    ) -> None:
        """`lent` is the listening socket, where somebody opened it for this process and the one after it.

        `expected` is how many gateways there are at least: one that is not connected is waited for like one
        that is behind. It may just be on its way here from the process before.
        """
        self._shared = Shared(source)
        self._path = path
        self._lent = lent
        self._expected = expected
        self._wake = Event()
        self._sessions: list[Session] = []
        self._listener: socket.socket | None = None
        self._end: tuple[socket.socket, socket.socket] | None = None
        self._threads = [
            Thread(target=self._accept, name="configuration-accept", daemon=True),
            Thread(target=self._look, name="configuration-look", daemon=True),
        ]

    def start(self) -> None:
        """Listen.

        Raises:
            Conflict: another process serves this socket.
            InvalidInput: the socket can't be made at that path.
        """
        with self._shared.source.watch() as newest:
            self._shared.newest = newest()
        self._listener = open_configuration(self._path) if self._lent is None else self._lent
        self._listener.setblocking(False)
        self._end = socket.socketpair()
        for thread in self._threads:
            thread.start()

    def stop(self) -> None:
        """Close every connection and the socket; gateways go on with what they have."""
        with self._shared.changed:
            self._shared.stopping.set()
        self._wake.set()
        if self._listener is not None and self._end is not None:
            # Ends the wait for connections. Shutting the listener down would end it for others on it too.
            self._end[0].close()
            for thread in self._threads:
                thread.join()
            self._end[1].close()
            self._listener.close()
            if self._lent is None:
                self._path.unlink(missing_ok=True)
        for session in self._sessions:
            session.close()
        for session in self._sessions:
            session.join()
        self._sessions.clear()

    def wake(self) -> None:
        """Look for a new version now."""
        self._wake.set()

    def connected(self) -> list[GatewayState]:
        """Return the state of every connected gateway."""
        with self._shared.changed:
            return self._states()

    def health(self, upstream: UUID) -> list[UpstreamHealth]:
        """Return how each connected gateway finds an upstream."""
        with self._shared.changed:
            reports = [session.health for session in self._sessions if session.open and session.health]
        return [found for report in reports for found in report.upstreams if found.id == upstream]

    def set_health(self, upstream: UUID, target: UUID, address: str | None, *, healthy: bool) -> None:
        """Tell every connected gateway an operator's word on a target or on one of its addresses."""
        word: SetHealth = {
            "type": "set_health",
            "upstream": str(upstream),
            "target": str(target),
            "address": address,
            "healthy": healthy,
        }
        payload = encode(word)
        with self._shared.changed:
            for session in self._sessions:
                if session.open and session.state is not None:
                    session.say(payload)

    def wait_applied(self, version: int, timeout: float) -> str | None:
        """Wait up to `timeout` seconds until every connected gateway judges by `version` or a newer one.

        Returns None when they do (or there is none), otherwise a sentence that says who doesn't and why.
        """
        deadline = time.monotonic() + timeout
        self.wake()
        with self._shared.changed:
            while True:
                states = self._states()
                behind = [s for s in states if s.applied is None or s.applied < version]
                if not behind and len(states) >= self._expected:
                    return None
                for state in behind:
                    if state.rejected is not None and state.rejected >= version:
                        return f"gateway {state.node} can't run version {state.rejected}; its log says why"
                remaining = deadline - time.monotonic()
                if remaining <= 0:
                    if not behind:
                        return f"not yet applied after {timeout:g} s: no gateway is connected"
                    nodes = ", ".join(state.node for state in behind)
                    return f"not yet applied after {timeout:g} s by gateway {nodes}"
                self._shared.changed.wait(remaining)

    def _states(self) -> list[GatewayState]:
        return [session.state for session in self._sessions if session.open and session.state is not None]

    def _accept(self) -> None:
        assert self._listener is not None
        assert self._end is not None
        while not self._shared.stopping.is_set():
            select.select([self._listener, self._end[1]], [], [])
            try:
                connection, _ = self._listener.accept()
                connection.setblocking(True)
            except BlockingIOError:
                continue  # Time to end, or another process was faster.
            except OSError as error:
                if self._shared.stopping.is_set():
                    return
                _log.warning("connection of a gateway not accepted", reason=str(error))
                time.sleep(0.1)  # out of file descriptors, most likely
                continue
            session = Session(connection, self._shared)
            with self._shared.changed:
                ended = [session for session in self._sessions if not session.open]
                self._sessions = [session for session in self._sessions if session.open] + [session]
            session.start()
            for old in ended:
                old.join()

    def _look(self) -> None:
        failing = False
        while not self._shared.stopping.is_set():
            try:
                with self._shared.source.watch() as newest:
                    self._follow(newest)
                failing = False
            except Exception:  # noqa: BLE001  # the database may be away for a while; gateways serve on
                if not failing:
                    _log.exception("the configuration's version can't be read; trying on")
                failing = True
                self._shared.stopping.wait(1)

    def _follow(self, newest: Callable[[], int]) -> None:
        tidy_at = time.monotonic() + _TIDY
        while not self._shared.stopping.is_set():
            self._wake.wait(_LOOK)
            self._wake.clear()
            version = newest()
            if version != self._shared.newest:
                with self._shared.changed:
                    self._shared.newest = version
                    self._shared.changed.notify_all()
            if time.monotonic() >= tidy_at and not self._shared.source.prune(_CHANGES_KEPT):
                tidy_at = time.monotonic() + _TIDY


def open_configuration(path: Path) -> socket.socket:
    """Listen for gateways on a Unix socket at that path, for this process's user alone.

    Raises:
        Conflict: another process serves this socket.
        InvalidInput: the socket can't be made at that path.
    """
    listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    try:
        _clear_stale(path)
        try:
            listener.bind(str(path))
        except OSError as error:
            if error.errno == errno.ENAMETOOLONG or "too long" in str(error):
                raise InvalidInput(
                    str(path),
                    "is too long for a Unix socket (107 bytes)",
                    "choose a shorter TOLLWAY_DATA_DIR",
                ) from error
            raise InvalidInput(str(path), f"can't be made: {error.strerror}") from error
        # Before listening: until then nobody can connect.
        path.chmod(0o600)
        listener.listen(16)
    except BaseException:
        listener.close()
        raise
    return listener


def _clear_stale(path: Path) -> None:
    """Remove what a process that was killed left behind."""
    if not path.exists():
        return
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as probe:
        try:
            probe.connect(str(path))
        except (ConnectionRefusedError, FileNotFoundError):
            path.unlink(missing_ok=True)
            return
        except OSError as error:
            raise InvalidInput(str(path), f"is in the way: {error.strerror}", "remove it") from error
    raise Conflict(f"another process serves the configuration on {path}; stop it first")
