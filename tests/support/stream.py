"""A gateway as far as the configuration stream goes: it keeps base and tables, and says what it applied."""

from __future__ import annotations

import json
import socket
import struct
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, Self

from tollway.contracts.configuration import control_frames

NODE = "0123456789abcdef0123456789abcdef"
KEYS = {"consumers": "id", "key_auth": "hash"}


class Replica:
    """A configuration put together from frames; `tables` are rows by key, `version` what they amount to."""

    def __init__(self, version: int | None = None) -> None:
        self.base: Any = None
        self.tables: dict[str, dict[str, Any]] = {name: {} for name in KEYS}
        self.version = version
        self._begun: tuple[Any, dict[str, dict[str, Any]]] | None = None

    def apply(self, raw: bytes) -> dict[str, Any]:
        """Do what a frame says."""
        control_frames.validate_json(raw, strict=True)
        frame: dict[str, Any] = json.loads(raw)
        match frame["type"]:
            case "full_begin":
                self._begun = (frame["base"], {name: {} for name in KEYS})
            case "rows":
                assert self._begun is not None
                key = KEYS[frame["table"]]
                self._begun[1][frame["table"]].update({row[key]: row for row in frame["rows"]})
            case "full_end":
                assert self._begun is not None
                self.base, self.tables = self._begun
                self.version = frame["version"]
            case "delta":
                self._delta(frame)
            case "ping":
                assert self.version is None or frame["version"] >= self.version
        return frame

    def _delta(self, frame: dict[str, Any]) -> None:
        assert frame["from"] == self.version
        if frame["base"] is not None:
            self.base = frame["base"]
        for table, rows in frame["put"].items():
            self.tables[table].update({row[KEYS[table]]: row for row in rows})
        for table, keys in frame["delete"].items():
            for key in keys:
                # A key that came and went between two deltas was never here.
                self.tables[table].pop(key, None)
        self.version = frame["version"]


class StreamClient(Replica):
    """Connects and says hello, then what it applied unless `answers` is off."""

    def __init__(self, path: Path, version: int | None = None, *, hello: bool = True) -> None:
        super().__init__(version)
        self.kinds: list[str] = []
        self.answers = True
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self._socket.settimeout(10)
        self._socket.connect(str(path))
        if hello:
            self.say({"type": "hello", "protocol": 1, "node": NODE, "epoch": 7, "version": version})

    def say(self, frame: Any) -> None:
        raw = json.dumps(frame).encode()
        self.send(struct.pack(">I", len(raw)) + raw)

    def send(self, raw: bytes) -> None:
        self._socket.sendall(raw)

    def next(self) -> dict[str, Any] | None:
        """Read the next frame and do what it says; None at the end of the connection."""
        head = self._read(4)
        if head is None:
            return None
        raw = self._read(struct.unpack(">I", head)[0])
        assert raw is not None
        frame = self.apply(raw)
        self.kinds.append(frame["type"])
        if frame["type"] in {"full_end", "delta"} and self.answers:
            self.say({"type": "applied", "version": self.version})
        return frame

    def until(self, done: Callable[[], bool], seconds: float = 10) -> None:
        """Read until `done`."""
        deadline = time.monotonic() + seconds
        while not done():
            assert time.monotonic() < deadline, f"not within {seconds} s; heard {self.kinds}"
            assert self.next() is not None, "control closed the connection"

    def reach(self, version: int, seconds: float = 10) -> None:
        """Read until `version` is applied."""
        self.until(lambda: self.version is not None and self.version >= version, seconds)

    def close(self) -> None:
        self._socket.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _read(self, length: int) -> bytes | None:
        raw = b""
        while len(raw) < length:
            part = self._socket.recv(length - len(raw))
            if not part:
                return None
            raw += part
        return raw
