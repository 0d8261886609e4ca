"""Frames on a socket: four bytes of length, most significant first, and that many bytes of JSON."""

from __future__ import annotations

import socket
import struct

from pydantic import ValidationError

from tollway.contracts.configuration import FRAME_LIMIT, GatewaySaid, gateway_frames
from tollway.kernel.errors import InvalidInput

__all__ = ["frame", "read_frame"]

_LENGTH = struct.Struct(">I")


def frame(payload: bytes) -> bytes:
    """Return a frame with this JSON.

    Raises:
        InvalidInput: it is longer than a frame may be.
    """
    if len(payload) > FRAME_LIMIT:
        raise InvalidInput("frame", f"has {len(payload)} bytes, and {FRAME_LIMIT} are allowed")
    return _LENGTH.pack(len(payload)) + payload


def read_frame(connection: socket.socket) -> GatewaySaid | None:
    """Read what a gateway says next; None at the end.

    Raises:
        InvalidInput: it is not a frame of the protocol.
    """
    head = _exactly(connection, _LENGTH.size)
    if head is None:
        return None
    (length,) = _LENGTH.unpack(head)
    if length > FRAME_LIMIT:
        raise InvalidInput("frame", f"has {length} bytes, and {FRAME_LIMIT} are allowed")
    payload = _exactly(connection, length)
    if payload is None:
        return None
    try:
        return gateway_frames.validate_json(payload)
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False)[0]
        raise InvalidInput(".".join(str(part) for part in first["loc"]) or "frame", first["msg"]) from error


def _exactly(connection: socket.socket, length: int) -> bytes | None:
    received = bytearray()
    while len(received) < length:
        part = connection.recv(length - len(received))
        if not part:
            return None
        received += part
    return bytes(received)
