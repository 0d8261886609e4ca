"""Certificates and private keys as PEM: what is wrong with one, and what it says about itself.

The checks return a sentence, or None where nothing is wrong; no sentence quotes any of a key.
"""

from __future__ import annotations

from datetime import datetime

from cryptography import x509
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    PublicFormat,
    load_pem_private_key,
)

__all__ = [
    "authority_problem",
    "chain_problem",
    "digest",
    "key_problem",
    "kind",
    "mismatch",
    "not_after",
]

_SMALLEST_RSA = 2048
_Key = rsa.RSAPrivateKey | ec.EllipticCurvePrivateKey | ed25519.Ed25519PrivateKey


def chain_problem(text: str) -> str | None:
    """One certificate or more, the server's own first."""
    try:
        _chain(text)
    except ValueError as error:
        return str(error)
    return None


def authority_problem(text: str) -> str | None:
    """The certificate of one authority."""
    try:
        chain = _chain(text)
    except ValueError as error:
        return str(error)
    if len(chain) > 1:
        return "please submit only one certificate at a time"
    try:
        constraints = chain[0].extensions.get_extension_for_class(x509.BasicConstraints).value
    except (x509.ExtensionNotFound, ValueError):
        constraints = None
    if constraints is None or not constraints.ca:
        return 'certificate does not appear to be a CA because it is missing the "CA" basic constraint'
    return None


def key_problem(text: str) -> str | None:
    """A private key that is not protected by a passphrase."""
    try:
        _key(text)
    except ValueError as error:
        return str(error)
    return None


def mismatch(certificate: str, key: str) -> str | None:
    """Why a certificate isn't that of a key, as the rest of a sentence; both are well formed."""
    chain = _chain(certificate)
    wanted = _public(_key(key).public_key())
    matching = [place for place, one in enumerate(chain) if _public(one.public_key()) == wanted]
    if matching and matching[0] == 0:
        return None
    if matching:
        return f"; certificate {matching[0] + 1} of the chain does: put the server's own first"
    return ""


def kind(certificate: str) -> str:
    """Return the type of a certificate's key."""
    return type(_chain(certificate)[0].public_key()).__name__


def not_after(certificate: str) -> datetime:
    """Return the instant up to which the first certificate of a chain is valid."""
    return _chain(certificate)[0].not_valid_after_utc


def digest(certificate: str) -> str:
    """Return the hex of a certificate's SHA-256."""
    return _chain(certificate)[0].fingerprint(SHA256()).hex()


def _chain(text: str) -> list[x509.Certificate]:
    try:
        chain = x509.load_pem_x509_certificates(text.encode())
        for certificate in chain:
            certificate.public_key()
    except (ValueError, UnsupportedAlgorithm) as error:
        raise ValueError(
            "invalid certificate: not PEM; send -----BEGIN CERTIFICATE----- and what follows, line breaks too"
        ) from error
    return chain


def _key(text: str) -> _Key:
    try:
        key = load_pem_private_key(text.encode(), password=None)
    except TypeError as error:
        raise ValueError(
            "invalid key: protected by a passphrase; take that away with openssl pkey"
        ) from error
    except (ValueError, UnsupportedAlgorithm) as error:
        raise ValueError(
            "invalid key: not PEM; send -----BEGIN PRIVATE KEY----- and what follows, line breaks too"
        ) from error
    if isinstance(key, rsa.RSAPrivateKey) and key.key_size < _SMALLEST_RSA:
        raise ValueError(f"invalid key: RSA of {key.key_size} bits; use {_SMALLEST_RSA} or more")
    if not isinstance(key, _Key):
        raise ValueError("invalid key: use RSA, ECDSA or Ed25519")  # noqa: TRY004  # a kind of PEM, not of object
    return key


def _public(key: object) -> bytes:
    return key.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)  # type: ignore[attr-defined, no-any-return]
