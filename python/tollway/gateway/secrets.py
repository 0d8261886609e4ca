"""Keys that keep secrets: derived from the installation's one secret, each for one purpose.

docs/maintainer/formats.md, section 4, is the contract; the gateway gets derived keys, never the secret.
"""

from __future__ import annotations

import hashlib
import hmac
import os
import re
from dataclasses import dataclass, field

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from tollway.gateway.schema.violation import Violation
from tollway.kernel.errors import Conflict

__all__ = ["REFERENCE_START", "DerivedKeys", "KeyReference", "KeyVault", "derive_keys"]

_NONCE = 12
_REFERENCE = re.compile(r"\{tollway-hash:([0-9a-f]{8}):([0-9a-f]{64}):([\x21-\x7e]{1,4})\}")
REFERENCE_START = "{tollway-hash:"
"""How a reference to a key begins; no key does."""


@dataclass(frozen=True, slots=True)
class DerivedKeys:
    """One key of 32 bytes for each purpose."""

    pepper: bytes = field(repr=False)
    """HMAC-SHA256 of API keys."""
    at_rest: bytes = field(repr=False)
    """AES-256-GCM of secrets in the database."""
    config_cache: bytes = field(repr=False)
    """AES-256-GCM of the gateway's own copy of the configuration."""
    tls_tickets: bytes = field(repr=False)
    """What the keys of TLS session tickets are derived from."""


def derive_keys(secret: str) -> DerivedKeys:
    """Derive every key from the installation's secret, as its text stands."""

    def derive(purpose: str) -> bytes:
        info = f"tollway/{purpose}/1".encode("ascii")
        return HKDF(algorithm=SHA256(), length=32, salt=None, info=info).derive(secret.encode())

    return DerivedKeys(derive("key-pepper"), derive("at-rest"), derive("config-cache"), derive("tls-tickets"))


@dataclass(frozen=True, slots=True)
class KeyReference:
    """What is shown of a key that nobody has in plain text; a PUT takes it back.

    `pepper_id` names the pepper: under another one the hash would never match any request.
    """

    pepper_id: str
    hash: str
    last_four: str

    def __str__(self) -> str:
        return f"{{tollway-hash:{self.pepper_id}:{self.hash}:{self.last_four}}}"


class KeyVault:
    """Hashes API keys for look-up and encrypts those that have to be readable."""

    def __init__(self, keys: DerivedKeys) -> None:
        self._pepper = keys.pepper
        self._cipher = AESGCM(keys.at_rest)
        self.pepper_id = hashlib.sha256(b"tollway/pepper-id/" + keys.pepper).hexdigest()[:8]

    def reference(self, key: str) -> KeyReference:
        """Return the hash of a key and what may be shown of it."""
        digest = hmac.new(self._pepper, key.encode(), hashlib.sha256).hexdigest()
        # Four characters of a very short key would be most of it.
        return KeyReference(self.pepper_id, digest, key[-4:] if len(key) >= 12 else "*" * min(4, len(key)))

    def parse(self, text: str) -> KeyReference | None:
        """Read a reference; None where `text` is a key.

        Raises:
            Violation: it is a reference of another installation, or a damaged one.
        """
        if not text.startswith(REFERENCE_START):
            return None
        match = _REFERENCE.fullmatch(text)
        if match is None:
            raise Violation("a key reference reads {tollway-hash:KID:HEX:LAST4}; copy it whole")
        if match[1] != self.pepper_id:
            raise Violation(
                f"this key reference belongs to an installation with another secret (it says {match[1]}, "
                f"this one is {self.pepper_id}); use that installation's secret or supply the key itself"
            )
        return KeyReference(*match.groups())

    def encrypt(self, text: str, context: str) -> bytes:
        """Encrypt `text`; it can be read back only with the same `context`, which says what it belongs to."""
        nonce = os.urandom(_NONCE)
        return nonce + self._cipher.encrypt(nonce, text.encode(), context.encode())

    def decrypt(self, data: bytes, context: str) -> str:
        """Read back what `encrypt` made.

        Raises:
            Conflict: the secret is not the one that it was encrypted under, or the data was changed.
        """
        try:
            return self._cipher.decrypt(data[:_NONCE], data[_NONCE:], context.encode()).decode()
        except InvalidTag:
            raise Conflict(
                f"the stored key of {context} can't be read with this installation's secret; "
                "start Tollway with the secret that was in use when the key was stored"
            ) from None
