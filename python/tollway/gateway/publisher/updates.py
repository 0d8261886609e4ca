"""What has to be sent to bring a gateway from its version to the newest, as JSON texts of frames."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Any, TypeVar

from tollway.contracts.configuration import FRAME_LIMIT
from tollway.gateway import snapshot
from tollway.gateway.ports import Changes, ConfigurationReader

__all__ = ["DELTA_ROWS", "delta", "full", "ping"]

T = TypeVar("T")

DELTA_ROWS = 10_000
"""Beyond this many changed rows everything is sent: it is less work than looking each of them up."""


def ping(version: int) -> bytes:
    """The newest version there is."""
    return snapshot.encode({"type": "ping", "version": version})


def delta(reader: ConfigurationReader, version: int) -> tuple[bytes, int] | None:
    """Return the change from `version` to the newest, and the newest version.

    None where there is no such delta: the version is not known (any more), or too much has changed.
    """
    changes = reader.changes_after(version, DELTA_ROWS)
    if changes is None:
        return None
    frame = {"type": "delta", "from": version, "version": changes.version, **_rows(reader, changes)}
    payload = snapshot.with_base(frame, reader.base() if changes.base else b"null")
    return None if len(payload) > FRAME_LIMIT else (payload, changes.version)


def full(reader: ConfigurationReader) -> Iterator[bytes]:
    """Return everything."""
    version = reader.version()
    yield snapshot.with_base({"type": "full_begin", "version": version}, reader.base())
    for entries in reader.every_consumer():
        yield from _row_frames("consumers", entries, snapshot.consumer_row)
    for credentials in reader.every_key_auth():
        yield from _row_frames("key_auth", credentials, snapshot.key_auth_row)
    yield snapshot.encode({"type": "full_end", "version": version})


def _rows(reader: ConfigurationReader, changes: Changes) -> dict[str, Any]:
    """Return the rows that changed, and the keys of those that are gone."""
    put: dict[str, Any] = {}
    gone: dict[str, list[str]] = {}
    entries = reader.consumers(changes.consumers) if changes.consumers else []
    if entries:
        put["consumers"] = [snapshot.consumer_row(entry) for entry in entries]
    if lost := changes.consumers - {entry.id for entry in entries}:
        gone["consumers"] = sorted(str(consumer) for consumer in lost)
    credentials = reader.key_auths(changes.key_auth) if changes.key_auth else []
    if credentials:
        put["key_auth"] = [snapshot.key_auth_row(credential) for credential in credentials]
    if unknown := changes.key_auth - {credential.hash for credential in credentials}:
        gone["key_auth"] = sorted(unknown)
    return {"put": put, "delete": gone}


def _row_frames(table: str, rows: Sequence[T], shape: Callable[[T], Any]) -> Iterator[bytes]:
    payload = snapshot.encode({"type": "rows", "table": table, "rows": [shape(row) for row in rows]})
    if len(payload) <= FRAME_LIMIT or len(rows) == 1:
        yield payload
        return
    middle = len(rows) // 2
    yield from _row_frames(table, rows[:middle], shape)
    yield from _row_frames(table, rows[middle:], shape)
