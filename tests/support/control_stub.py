"""The control plane as far as a gateway sees it: a socket that sends base, tables and deltas."""

from __future__ import annotations

import contextlib
import json
import socket
import struct
import threading
from pathlib import Path
from typing import Any

__all__ = ["ControlStub"]


class ControlStub:
    """Serves `base` and `tables` at `version`; `change` moves on by one version with a delta."""

    def __init__(self, path: Path, base: dict[str, Any], tables: dict[str, list[dict[str, Any]]]) -> None:
        self.base = base
        self.tables = tables
        self.version = 1
        self.heard: list[dict[str, Any]] = []
        self._heard = threading.Condition()
        self._connections: list[socket.socket] = []
        self._listener = socket.socket(socket.AF_UNIX)
        self._listener.bind(str(path))
        self._listener.listen()
        threading.Thread(target=self._accept, daemon=True).start()

    def change(
        self,
        *,
        base: dict[str, Any] | None = None,
        put: dict[str, list[dict[str, Any]]] | None = None,
        delete: dict[str, list[str]] | None = None,
    ) -> int:
        """Send a delta to every gateway; returns its version."""
        before, self.version = self.version, self.version + 1
        self.base = base or self.base
        delta = {"type": "delta", "from": before, "version": self.version, "base": base}
        for connection in list(self._connections):
            _send(connection, {**delta, "put": put or {}, "delete": delete or {}})
        return self.version

    def wait_heard(self, seconds: float = 10, **fields: Any) -> dict[str, Any]:
        """Wait until a gateway said a frame with these fields."""

        def found() -> dict[str, Any] | None:
            return next((frame for frame in self.heard if fields.items() <= frame.items()), None)

        with self._heard:
            assert self._heard.wait_for(found, seconds), f"no {fields} in {self.heard}"
            frame = found()
        assert frame is not None
        return frame

    def close(self) -> None:
        """Go away: nobody is answered any more."""
        for closing in [self._listener, *self._connections]:
            with contextlib.suppress(OSError):
                closing.shutdown(socket.SHUT_RDWR)
            closing.close()

    def _accept(self) -> None:
        with contextlib.suppress(OSError):
            while True:
                connection, _ = self._listener.accept()
                threading.Thread(target=self._serve, args=(connection,), daemon=True).start()

    def _serve(self, connection: socket.socket) -> None:
        with contextlib.suppress(OSError):
            while (frame := _receive(connection)) is not None:
                if frame["type"] == "hello":
                    self._greet(connection, frame["version"])
                with self._heard:
                    self.heard.append(frame)
                    self._heard.notify_all()

    def _greet(self, connection: socket.socket, version: int | None) -> None:
        if version != self.version:
            _send(connection, {"type": "full_begin", "version": self.version, "base": self.base})
            for table, rows in self.tables.items():
                _send(connection, {"type": "rows", "table": table, "rows": rows})
            _send(connection, {"type": "full_end", "version": self.version})
        _send(connection, {"type": "ping", "version": self.version})
        self._connections.append(connection)


def _send(connection: socket.socket, frame: dict[str, Any]) -> None:
    raw = json.dumps(frame).encode()
    connection.sendall(struct.pack(">I", len(raw)) + raw)


def _receive(connection: socket.socket) -> dict[str, Any] | None:
    raw = b""
    length = 4
    while len(raw) < length:
        part = connection.recv(length - len(raw))
        if not part:
            return None
        raw += part
        if length == 4 and len(raw) == 4:
            length += int.from_bytes(raw)
    frame: dict[str, Any] = json.loads(raw[4:])
    return frame
