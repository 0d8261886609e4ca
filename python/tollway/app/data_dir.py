"""The data folder: made at first start, with its secret, and claimed by one supervisor at a time."""

from __future__ import annotations

import fcntl
import json
import os
import secrets
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tollway.app.settings import Settings
from tollway.kernel.errors import Conflict, InvalidInput

__all__ = [
    "Node",
    "RunFile",
    "claim_node",
    "create_once",
    "is_claimed",
    "node_id",
    "prepare",
    "read_run_file",
    "secret",
    "write_run_file",
]

_NODE_BYTES = 16
_MINIMUM_SECRET = 16


@dataclass(frozen=True, slots=True)
class Node:
    """This data folder as a node: `id` is 32 hex digits; `lock` is held for as long as the file is open."""

    id: str
    lock: int


def prepare(settings: Settings) -> None:
    """Make the data folder (mode 0700), the usage log's and the socket's; nothing changes where they exist.

    What this process makes from here on is its user's alone (umask): the folder may have been made by
    somebody else, open to all, and what lies in it are customers and encrypted keys.
    """
    os.umask(0o077)
    settings.data_dir.mkdir(mode=0o700, parents=True, exist_ok=True)
    for folder in (settings.usage_log_dir, settings.control_socket.parent):
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)


def secret(settings: Settings) -> str:
    """Return the secret that every other key is derived from, making it at first start.

    Two processes that start at once agree: the file appears whole, and only once.
    """
    if settings.secret_key is not None:
        if len(settings.secret_key) < _MINIMUM_SECRET:
            raise InvalidInput(
                "TOLLWAY_SECRET_KEY",
                f"has {len(settings.secret_key)} characters",
                f"use at least {_MINIMUM_SECRET} random ones, e.g. from: openssl rand -hex 32",
            )
        return settings.secret_key
    path = settings.data_dir / "secret.key"
    if not path.exists():
        create_once(path, secrets.token_hex(32) + "\n")
    return path.read_text().strip()


def claim_node(settings: Settings, lock: int | None = None) -> Node:
    """Take the folder's node for this process and its children; `lock` holds it already, if given.

    The identity of usage events begins with the node, so two supervisors on one folder would write each
    other's events: the second is refused (`Conflict`).
    """
    node = node_id(settings)
    if lock is not None:
        return Node(node, lock)
    path = settings.data_dir / "node"
    lock = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        os.close(lock)
        raise Conflict(
            f"another Tollway runs on {settings.data_dir}; stop it, or choose another folder with "
            "--data-dir or TOLLWAY_DATA_DIR"
        ) from None
    return Node(node, lock)


def node_id(settings: Settings) -> str:
    """Return the folder's node, 32 hex digits, making it at first start."""
    path = settings.data_dir / "node"
    if not path.exists():
        _move_once(settings.data_dir / "usage-log" / "node", path)
    if not path.exists():
        create_once(path, secrets.token_hex(_NODE_BYTES) + "\n")
    return path.read_text().strip()


def write_run_file(settings: Settings, facts: dict[str, Any]) -> None:
    """Say where this Tollway listens and which processes it has, for the CLI and for tests."""
    path = settings.data_dir / "run.json"
    temporary = path.with_suffix(f".{os.getpid()}")
    temporary.write_text(json.dumps(facts, indent=2) + "\n")
    temporary.replace(path)


class RunFile:
    """What a supervisor says of itself in `run.json`: its listeners, its processes, and its last reload."""

    def __init__(self, settings: Settings, listen: Mapping[str, str], reloads: int) -> None:
        """`reloads` is how many there were before."""
        self._settings = settings
        self._facts: dict[str, Any] = {
            "listen": dict(listen),
            "processes": {},
            "reloads": {"count": reloads, "problem": None},
        }

    def count(self) -> int:
        """Return how many reloads have ended."""
        count: int = self._facts["reloads"]["count"]
        return count

    def changed(self, processes: Mapping[str, int]) -> None:
        """Take note of the processes that run."""
        self._facts["processes"] = dict(processes)
        write_run_file(self._settings, self._facts)

    def reloaded(self, problem: str | None) -> None:
        """Take note that a reload has ended."""
        self._facts["reloads"] = {"count": self.count() + 1, "problem": problem}
        write_run_file(self._settings, self._facts)


def read_run_file(settings: Settings) -> dict[str, Any] | None:
    """Return what the Tollway on this data folder said of itself last; None where none ever ran."""
    try:
        facts: dict[str, Any] = json.loads((settings.data_dir / "run.json").read_text())
    except FileNotFoundError:
        return None
    return facts


def is_claimed(settings: Settings) -> bool:
    """Whether a Tollway runs on this data folder."""
    try:
        lock = os.open(settings.data_dir / "node", os.O_RDONLY | os.O_CLOEXEC)
    except FileNotFoundError:
        return False
    try:
        fcntl.flock(lock, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    finally:
        os.close(lock)
    return False


def _move_once(old: Path, new: Path) -> None:
    """Take over what an earlier version kept elsewhere, with the lock that somebody may hold on it."""
    try:
        os.link(old, new)
        _sync(new.parent)
        old.unlink()
    except (FileNotFoundError, FileExistsError):
        return  # There is none, or another process has just moved it.


def create_once(path: Path, content: str) -> None:
    """Write the file, mode 0600, whole and durable under another name, then link it: the first wins."""
    descriptor, name = tempfile.mkstemp(prefix=f".{path.name}.", dir=path.parent)  # mode 0600
    temporary = Path(name)
    try:
        with os.fdopen(descriptor, "w") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        try:
            os.link(temporary, path)
        except FileExistsError:
            return
        _sync(path.parent)
    finally:
        temporary.unlink()


def _sync(folder: Path) -> None:
    directory = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(directory)
    finally:
        os.close(directory)
