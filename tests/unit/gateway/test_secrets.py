"""Derived keys, hashes and encrypted keys."""

from __future__ import annotations

import hashlib
import hmac

import pytest

from tollway.gateway.schema.violation import Violation
from tollway.gateway.secrets import KeyVault, derive_keys
from tollway.kernel.errors import Conflict

pytestmark = pytest.mark.one_database

SECRET = "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"


def _hkdf(secret: bytes, info: bytes) -> bytes:
    """RFC 5869 for one block: extract without salt, then expand."""
    extracted = hmac.new(bytes(32), secret, hashlib.sha256).digest()
    return hmac.new(extracted, info + b"\x01", hashlib.sha256).digest()


def test_each_purpose_has_its_own_key() -> None:
    keys = derive_keys(SECRET)
    assert keys.pepper == _hkdf(SECRET.encode(), b"tollway/key-pepper/1")
    assert keys.at_rest == _hkdf(SECRET.encode(), b"tollway/at-rest/1")
    assert keys.config_cache == _hkdf(SECRET.encode(), b"tollway/config-cache/1")
    assert keys.pepper.hex() not in repr(keys)


def test_hash_is_an_hmac_under_the_pepper() -> None:
    keys = derive_keys(SECRET)
    reference = KeyVault(keys).reference("a-key-of-a-customer")
    assert reference.hash == hmac.new(keys.pepper, b"a-key-of-a-customer", hashlib.sha256).hexdigest()
    assert reference.last_four == "omer"
    assert KeyVault(keys).parse(str(reference)) == reference
    assert KeyVault(keys).parse("a-key-of-a-customer") is None


@pytest.mark.parametrize("reference", ["", "a:b:c", "00000000:00:abcd"])
def test_damaged_reference(reference: str) -> None:
    with pytest.raises(Violation, match="copy it whole"):
        KeyVault(derive_keys(SECRET)).parse(f"{{tollway-hash:{reference}}}")


def test_reference_of_another_installation() -> None:
    foreign = KeyVault(derive_keys("another secret")).reference("a-key-of-a-customer")
    with pytest.raises(Violation, match="another secret"):
        KeyVault(derive_keys(SECRET)).parse(str(foreign))


def test_encrypted_text_belongs_to_its_place_and_its_secret() -> None:
    vault = KeyVault(derive_keys(SECRET))
    first, second = (vault.encrypt("text", "here") for _ in range(2))
    assert first != second
    assert vault.decrypt(first, "here") == vault.decrypt(second, "here") == "text"
    for other, context in ((vault, "there"), (KeyVault(derive_keys("another secret")), "here")):
        with pytest.raises(Conflict, match="secret that was in use"):
            other.decrypt(first, context)
    with pytest.raises(Conflict):
        vault.decrypt(first[:-1] + bytes([first[-1] ^ 1]), "here")
