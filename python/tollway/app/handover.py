"""What a supervisor leaves to the code that goes on in its process.

An upgrade that left the supervisor as it was would start new processes by old rules. So the supervisor
replaces itself too (`execve`): the process, its children and its open sockets stay, the code and the
settings are those that are there now. Whether these would start is tried in another process before:
afterwards there is no way back.
"""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
import tempfile
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import BinaryIO

from tollway.app.listeners import open_listener
from tollway.gateway.publisher import open_configuration

__all__ = ["ExecRenewal", "HandOver", "Sockets", "is_rehearsal"]

_FILE = "TOLLWAY_HANDOVER_FD"
_REHEARSAL = "TOLLWAY_REHEARSAL"
_LONGEST_PROBLEM = 2000


@dataclass(frozen=True, slots=True)
class HandOver:
    """Open files and children.

    `listeners` are sockets by what they were opened for, `lifeline` the pipe's two ends, `node_lock` the lock
    on the data folder; `folders` are those that can't change while any of this goes on, `processes` the
    children by role, `reloads` how many reloads have ended.
    """

    listeners: dict[str, int] = field(default_factory=dict)
    lifeline: tuple[int, int] | None = None
    node_lock: int | None = None
    folders: tuple[str, ...] = ()
    processes: dict[str, int] = field(default_factory=dict)
    reloads: int = 0

    @property
    def files(self) -> list[int]:
        """Every open file."""
        lock = () if self.node_lock is None else (self.node_lock,)
        return [*self.listeners.values(), *(self.lifeline or ()), *lock]

    @property
    def lent(self) -> list[int]:
        """What a trial gets: not the lifeline, whose other end must be gone when the supervisor is."""
        return [file for file in self.files if file not in (self.lifeline or ())]

    def document(self) -> BinaryIO:
        """Return it as a file in memory."""
        file = os.fdopen(os.memfd_create("tollway-handover"), "w+b")
        file.write(json.dumps(asdict(self)).encode())
        file.seek(0)
        return file

    @classmethod
    def taken(cls) -> HandOver | None:
        """Return what was left to this process, the first time it is asked for; None where nothing was."""
        number = os.environ.pop(_FILE, None)
        if number is None:
            return None
        with os.fdopen(int(number), "rb") as file:
            facts = json.loads(file.read())
        read, write = facts.pop("lifeline")
        return cls(lifeline=(read, write), folders=tuple(facts.pop("folders")), **facts)


class Sockets:
    """Opens listening sockets, or knows them from who went before: it is called as `open_listener` is."""

    def __init__(self, inherited: Mapping[str, int]) -> None:
        self._inherited = dict(inherited)
        self.files: dict[str, int] = {}

    def __call__(
        self, name: str, address: str, *, ipv6_only: bool = False, backlog: int | None = None
    ) -> socket.socket:
        """Return a socket that listens on `host:port`. Raises `TollwayError` naming the setting."""
        return self._known(address) or self._note(
            address, open_listener(name, address, ipv6_only=ipv6_only, backlog=backlog)
        )

    def unix(self, path: Path) -> socket.socket:
        """Return the socket on which gateways are told the configuration."""
        return self._known(str(path)) or self._note(str(path), open_configuration(path))

    def knows(self, path: Path) -> bool:
        """Whether the socket at that path was inherited, and not asked for yet."""
        return self._key(str(path)) in self._inherited

    def close_others(self) -> None:
        """Close what was inherited and nobody asked for."""
        while self._inherited:
            os.close(self._inherited.popitem()[1])

    def _known(self, address: str) -> socket.socket | None:
        file = self._inherited.pop(self._key(address), None)
        if file is None:
            return None
        os.set_inheritable(file, False)
        return self._note(address, socket.socket(fileno=file))

    def _note(self, address: str, listener: socket.socket) -> socket.socket:
        self.files[self._key(address)] = listener.fileno()
        return listener

    def _key(self, address: str) -> str:
        # Port 0 may be asked for several times.
        number = 0
        while f"{address} {number}" in self.files:
            number += 1
        return f"{address} {number}"


def is_rehearsal() -> bool:
    """Whether this process only tries whether it could go on from another."""
    return _REHEARSAL in os.environ


class ExecRenewal:
    """Replaces this process's code by what is installed now, with the same arguments and environment."""

    def __init__(self, hand_over: HandOver, reloads: Callable[[], int]) -> None:
        """`reloads` says how many there were by then."""
        self._hand_over = hand_over
        self._reloads = reloads
        self._said: BinaryIO | None = None

    @property
    def _command(self) -> list[str]:
        return [sys.executable, "-m", "tollway", *sys.argv[1:]]

    def rehearse(self) -> subprocess.Popen[bytes]:
        """Start the same command on trial; it sees the sockets and accepts nothing."""
        if self._said is not None:
            self._said.close()
        self._said = tempfile.TemporaryFile()  # noqa: SIM115  # read by `problem`, when the trial has ended
        with self._hand_over.document() as document:
            return subprocess.Popen(
                self._command,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                stderr=self._said,
                pass_fds=[document.fileno(), *self._hand_over.lent],
                env=os.environ | {_REHEARSAL: "1", _FILE: str(document.fileno())},
            )

    def problem(self) -> str:
        """Return what the trial said."""
        if self._said is None:
            return ""
        self._said.seek(0)
        return self._said.read().decode(errors="replace").strip()[-_LONGEST_PROBLEM:]

    def renew(self, processes: Mapping[str, int]) -> None:
        """Go on as the new code. Raises `OSError` where it can't be started."""
        left = replace(self._hand_over, processes=dict(processes), reloads=self._reloads())
        with left.document() as document:
            files = [*left.files, document.fileno()]
            for file in files:
                os.set_inheritable(file, True)
            try:
                environment = os.environ | {_FILE: str(document.fileno())}
                os.execve(sys.executable, self._command, environment)  # noqa: S606
            finally:
                # Still here: it can't be started.
                for file in files:
                    os.set_inheritable(file, False)
