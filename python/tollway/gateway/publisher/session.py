"""One connected gateway: a thread that writes to it what is new, and one that reads what it says."""

from __future__ import annotations

import socket
import struct
import time
from collections import deque
from threading import Condition, Event, Thread

import structlog

from tollway.contracts.configuration import PROTOCOL, Applied, GatewaySaid, Health, Hello, Rejected
from tollway.gateway.ports import ConfigurationSource, GatewayState
from tollway.gateway.publisher import updates
from tollway.gateway.publisher.frames import frame, read_frame
from tollway.kernel.errors import InvalidInput

__all__ = ["Session", "Shared"]

_log = structlog.get_logger(__name__)

_PING = 1.0  # seconds
# A gateway that doesn't take what is sent for so long has stopped; it connects again if it hasn't.
_SEND_SECONDS = 30
_HELLO_SECONDS = 10
# Words on targets that wait to be sent: only a gateway that takes nothing for long misses any.
_WORDS = 1_000


class Shared:
    """What sessions have in common. `changed` guards every session's state and announces each change."""

    def __init__(self, source: ConfigurationSource) -> None:
        self.source = source
        self.changed = Condition()
        self.newest = 0
        self.stopping = Event()


class Session:
    """One connection. `state` is None until the gateway has said who it is."""

    def __init__(self, connection: socket.socket, shared: Shared) -> None:
        self._socket = connection
        self._shared = shared
        self._sent: int | None = None
        self._words: deque[bytes] = deque(maxlen=_WORDS)
        self.state: GatewayState | None = None
        self.health: Health | None = None
        self.open = True
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_SNDTIMEO, struct.pack("ll", _SEND_SECONDS, 0))
        self._reader = Thread(target=self._read, name="configuration-reader", daemon=True)
        self._writer = Thread(target=self._write, name="configuration-writer", daemon=True)

    def start(self) -> None:
        """Begin to serve."""
        self._reader.start()

    def close(self) -> None:
        """End; both threads end soon after."""
        with self._shared.changed:
            self.open = False
            self._shared.changed.notify_all()
        try:
            self._socket.shutdown(socket.SHUT_RDWR)
        except OSError:
            return  # it was closed from the other side

    def say(self, payload: bytes) -> None:
        """Have a frame sent that is no part of the configuration; call it with `changed` held."""
        self._words.append(payload)
        self._shared.changed.notify_all()

    def join(self) -> None:
        """Wait until both threads have ended."""
        self._reader.join()
        if self._writer.ident is not None:
            self._writer.join()
        self._socket.close()

    def _read(self) -> None:
        problem = "the gateway closed the connection"
        try:
            self._hello()
            while (said := read_frame(self._socket)) is not None:
                self._heard(said)
        except (InvalidInput, OSError) as error:
            problem = str(error)
        finally:
            self.close()
        state = self.state
        if not self._shared.stopping.is_set():
            _log.info("gateway disconnected", node=state.node if state else None, reason=problem)

    def _hello(self) -> None:
        self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVTIMEO, struct.pack("ll", _HELLO_SECONDS, 0))
        said = read_frame(self._socket)
        self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVTIMEO, struct.pack("ll", 0, 0))
        if said is None:
            return
        if not isinstance(said, Hello):
            raise InvalidInput("type", f"the first frame is {said.type!r}", "say hello first")
        if said.protocol != PROTOCOL:
            raise InvalidInput(
                "protocol",
                f"the gateway speaks {said.protocol}, control speaks {PROTOCOL}",
                "run one release of Tollway for both",
            )
        with self._shared.changed:
            self._sent = said.version
            self.state = GatewayState(said.node, said.epoch, applied=said.version, rejected=None)
        _log.info("gateway connected", node=said.node, epoch=said.epoch, version=said.version)
        self._writer.start()

    def _heard(self, said: GatewaySaid) -> None:
        assert self.state is not None
        state = self.state
        if isinstance(said, Hello):
            raise InvalidInput("type", "hello was said before")
        if isinstance(said, Rejected):
            _log.error(
                "a gateway can't run the configuration and goes on with the one before",
                node=state.node,
                version=said.version,
                location=said.location,
                problem=said.problem,
                fix=said.fix,
            )
        with self._shared.changed:
            if isinstance(said, Health):
                self.health = said
            elif isinstance(said, Applied):
                self.state = GatewayState(state.node, state.epoch, said.version, None)
            else:
                self.state = GatewayState(state.node, state.epoch, state.applied, said.version)
                # What comes next builds on what the gateway has, not on what it refused.
                self._sent = state.applied
            self._shared.changed.notify_all()

    def _write(self) -> None:
        try:
            while self._wait():
                self._update()
        except OSError as error:
            _log.warning(
                "gateway not reached", node=self.state.node if self.state else None, reason=str(error)
            )
        except Exception:  # noqa: BLE001  # whatever it is, it must not pass in silence
            # The gateway connects again and gets everything; a thread that died silently would leave it
            # with an old configuration.
            _log.exception("configuration not published")
        finally:
            self.close()

    def _wait(self) -> bool:
        """Wait for something new, sending pings and words meanwhile; False when the session is over."""
        ping_at = time.monotonic()
        while True:
            with self._shared.changed:
                if not self.open:
                    return False
                if self._behind():
                    return True
                remaining = ping_at - time.monotonic()
                if remaining > 0 and not self._words:
                    self._shared.changed.wait(remaining)
                    continue
                word = self._words.popleft() if self._words else None
                newest = self._shared.newest
            if word is not None:
                self._socket.sendall(frame(word))
            else:
                self._socket.sendall(frame(updates.ping(newest)))
                ping_at = time.monotonic() + _PING

    def _behind(self) -> bool:
        assert self.state is not None
        newest, rejected = self._shared.newest, self.state.rejected
        if rejected is not None and newest <= rejected:
            return False  # sending again what was refused would be refused again
        return self._sent is None or self._sent != newest

    def _update(self) -> None:
        with self._shared.source.read() as reader:
            found = None if self._sent is None else updates.delta(reader, self._sent)
            if found is not None:
                payload, version = found
                if version != self._sent:
                    self._socket.sendall(frame(payload))
            else:
                version = reader.version()
                for payload in updates.full(reader):
                    self._socket.sendall(frame(payload))
        with self._shared.changed:
            if self.state is not None and self.state.rejected != version:
                self._sent = version
            # The update may be newer than what was looked up last.
            self._shared.newest = max(self._shared.newest, version)
