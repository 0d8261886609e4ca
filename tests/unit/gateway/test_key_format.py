"""Minted keys: their look, their checksum."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tollway.gateway.key_format import check_brand, checksum, is_well_formed, mint
from tollway.kernel.errors import InvalidInput
from tollway.kernel.mode import Mode

pytestmark = pytest.mark.one_database

BASE62 = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"


def test_known_checksums() -> None:
    assert checksum("0" * 37) == "3jnQlY"  # CRC-32 0xcc2719d4
    assert checksum("0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZa") == "33EDWO"
    assert checksum("") == "000000"


@pytest.mark.parametrize("mode", Mode)
def test_minted_key(mode: Mode) -> None:
    keys = {mint("acme", mode) for _ in range(50)}
    assert len(keys) == 50
    for key in keys:
        assert re.fullmatch(rf"acme_{mode.value}_[0-9A-Za-z]{{37}}[0-9A-Za-z]{{6}}", key)
        assert is_well_formed(key, "acme")
        assert not is_well_formed(key, "other")


@given(st.integers(0, 42), st.sampled_from(BASE62))
def test_any_single_typing_error_is_seen(position: int, wrong: str) -> None:
    key = mint("tollway", Mode.LIVE)
    start = len("tollway_live_")
    typed = key[: start + position] + wrong + key[start + position + 1 :]
    assert is_well_formed(typed, "tollway") is (typed == key)


@pytest.mark.parametrize("key", ["", "tollway_live_", "tollway_live", "tollway_prod_" + "0" * 43, "é" * 43])
def test_what_is_no_key(key: str) -> None:
    assert not is_well_formed(key, "tollway")


@pytest.mark.parametrize("brand", ["", "Acme", "a_b", "1a", "a" * 33])
def test_brands_that_cannot_begin_a_key(brand: str) -> None:
    with pytest.raises(InvalidInput, match="brand"):
        check_brand(brand)
    assert check_brand("acme1") == "acme1"
