"""What just happened, told once on the page that comes next. It travels in a signed cookie."""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
import json
from dataclasses import dataclass

__all__ = ["Flash", "pack", "unpack"]

_MAC = 32


@dataclass(frozen=True, slots=True)
class Flash:
    """A short text; `bad` where something did not work."""

    text: str
    bad: bool = False


def pack(key: bytes, flash: Flash) -> str:
    """Return a flash as a cookie's value."""
    body = json.dumps([flash.text[:500], flash.bad]).encode()
    return base64.urlsafe_b64encode(_mac(key, body) + body).decode()


def unpack(key: bytes, value: str) -> Flash | None:
    """Read what `pack` made; None where it was made by anybody else."""
    try:
        raw = base64.urlsafe_b64decode(value.encode())
    except (binascii.Error, ValueError):
        return None
    if not hmac.compare_digest(raw[:_MAC], _mac(key, raw[_MAC:])):
        return None
    text, bad = json.loads(raw[_MAC:])
    return Flash(text, bad)


def _mac(key: bytes, body: bytes) -> bytes:
    return hmac.new(key, b"flash/" + body, hashlib.sha256).digest()
