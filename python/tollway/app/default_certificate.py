"""The certificate for clients that ask for a name without one: self-signed, made once."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from tollway.app.data_dir import create_once
from tollway.kernel.errors import InvalidInput

__all__ = ["DefaultCertificate", "default_certificate"]

_FILE = "default-certificate.pem"
_BEGIN_CERT = "-----BEGIN CERTIFICATE-----"
_YEARS = 10


@dataclass(frozen=True, slots=True)
class DefaultCertificate:
    """A certificate with its key, PEM both."""

    cert: str
    key: str = field(repr=False)


def default_certificate(data_dir: Path) -> DefaultCertificate:
    """Return the data folder's certificate, making it (mode 0600) at first.

    Nobody is meant to believe it: it shows that TLS works, until the seller gives a certificate for the name
    or for `*`. Raises `InvalidInput` where the file is broken.
    """
    path = data_dir / _FILE
    if not path.exists():
        create_once(path, _make())
    key, separator, cert = path.read_text().partition(_BEGIN_CERT)
    if not separator or "PRIVATE KEY" not in key:
        raise InvalidInput(
            str(path), "is not a key and a certificate", "remove the file, and it is made anew"
        )
    return DefaultCertificate(separator + cert, key)


def _make() -> str:
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "Tollway (self-signed)")])
    now = datetime.now(UTC)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=365 * _YEARS))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName("localhost")]), critical=False)
        .sign(key, SHA256())
    )
    private = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    return private.decode() + certificate.public_bytes(Encoding.PEM).decode()
