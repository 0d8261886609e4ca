"""The data folder: made at first start, with its secret, and claimed by one supervisor at a time."""

from __future__ import annotations

import fcntl
import json
import os
import secrets
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tollway.app.settings import Settings
from tollway.kernel.errors import Conflict, InvalidInput

__all__ = ["Node", "claim_node", "node_id", "prepare", "secret", "write_run_file"]

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
        _create_once(path, secrets.token_hex(32) + "\n")
    return path.read_text().strip()


def claim_node(settings: Settings) -> Node:
    """Take the folder's node for this process and its children.

    The identity of usage events begins with the node, so two supervisors on one folder would write each
    other's events: the second is refused (`Conflict`).
    """
    node = node_id(settings)
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
        _create_once(path, secrets.token_hex(_NODE_BYTES) + "\n")
    return path.read_text().strip()


def write_run_file(settings: Settings, facts: dict[str, Any]) -> None:
    """Say where this Tollway listens and which processes it has, for the CLI and for tests."""
    path = settings.data_dir / "run.json"
    temporary = path.with_suffix(f".{os.getpid()}")
    temporary.write_text(json.dumps(facts, indent=2) + "\n")
    temporary.replace(path)


def _move_once(old: Path, new: Path) -> None:
    """Take over what an earlier version kept elsewhere, with the lock that somebody may hold on it."""
    try:
        os.link(old, new)
        _sync(new.parent)
        old.unlink()
    except (FileNotFoundError, FileExistsError):
        return  # There is none, or another process has just moved it.


def _create_once(path: Path, content: str) -> None:
    """Write the file whole and durable under another name, then link it: the first to link wins."""
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
