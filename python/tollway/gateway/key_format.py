"""What a minted API key looks like: `<brand>_live_` or `<brand>_test_`, 37 random characters, 6 of checksum.

All base62 (0-9, A-Z, a-z). The checksum is the CRC-32 of the random part, most significant digit first and
padded with zeros: the gateway refuses a mistyped key without looking it up, and secret scanners know one
when they see it.
"""

from __future__ import annotations

import re
import secrets
import string
import zlib

from tollway.kernel.errors import InvalidInput
from tollway.kernel.mode import Mode

__all__ = ["check_brand", "checksum", "is_well_formed", "mint"]

_ALPHABET = string.digits + string.ascii_uppercase + string.ascii_lowercase
_RANDOM = 37  # 220 bits
_CHECKSUM = 6  # 62**6 > 2**32
_BRAND = re.compile(r"[a-z][a-z0-9]{0,31}")


def mint(brand: str, mode: Mode) -> str:
    """Make a new key."""
    random = "".join(secrets.choice(_ALPHABET) for _ in range(_RANDOM))
    return f"{brand}_{mode.value}_{random}{checksum(random)}"


def is_well_formed(key: str, brand: str) -> bool:
    """Whether `key` looks minted by this brand and its checksum is right."""
    prefix, _, rest = key.rpartition("_")
    return (
        prefix in {f"{brand}_{mode.value}" for mode in Mode}
        and len(rest) == _RANDOM + _CHECKSUM
        and set(rest) <= set(_ALPHABET)
        and rest[_RANDOM:] == checksum(rest[:_RANDOM])
    )


def checksum(random: str) -> str:
    """Return the checksum of a key's random part."""
    value = zlib.crc32(random.encode("ascii"))
    digits = ""
    for _ in range(_CHECKSUM):
        value, digit = divmod(value, len(_ALPHABET))
        digits = _ALPHABET[digit] + digits
    return digits


def check_brand(brand: str) -> str:
    """Return `brand` if keys may begin with it.

    Raises:
        InvalidInput: it is not 1 to 32 lower-case letters and digits.
    """
    if not _BRAND.fullmatch(brand):
        raise InvalidInput("brand", f"{brand!r} can't begin a key", "use 1 to 32 of a-z and 0-9")
    return brand
