"""Random tokens: given out once, kept only as a hash. Of 256 random bits a plain hash is enough."""

from __future__ import annotations

import hashlib
import secrets

__all__ = ["hash_token", "new_token"]

_LONGEST = 100


def new_token() -> str:
    """Return a new token: 43 characters of URL-safe base64."""
    return secrets.token_urlsafe(32)


def hash_token(token: str) -> str:
    """Return what is kept of a token, and looked up by."""
    return hashlib.sha256(token[:_LONGEST].encode("utf-8", "replace")).hexdigest()
