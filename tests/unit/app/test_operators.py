"""Operators: the first one by the token in the data folder, then by password; apart from customers' users."""

from __future__ import annotations

import stat
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest

from tests.support.commerce import START
from tests.support.databases import migrated
from tollway.accounts.errors import LinkUnusable, SignInRefused, TooManyAttempts
from tollway.accounts.models import Realm
from tollway.accounts.passwords import Passwords
from tollway.accounts.sessions import LIFETIMES, begin
from tollway.app.operators import OperatorAccounts
from tollway.kernel.clock import ManualClock
from tollway.kernel.errors import InvalidInput
from tollway.storage.sessions import SqlSessions

_PASSWORD = "a short sentence"


@pytest.fixture
def operators(tmp_path: Path) -> Iterator[OperatorAccounts]:
    database = migrated(tmp_path)
    yield OperatorAccounts(
        main=database,
        passwords=Passwords(memory_kib=8),
        clock=ManualClock(START),
        token_file=tmp_path / "setup-token",
    )
    database.close()


def _set_up(operators: OperatorAccounts, token: str, password: str = _PASSWORD) -> str:
    return operators.set_up(
        token, name="Tomas Nagy", email="tomas@atlas.example", password=password, place="10.0.0.1"
    )


def _token(operators: OperatorAccounts) -> str:
    token = operators.prepare_setup()
    assert token is not None
    return token


def test_the_token_makes_the_first_operator_and_no_second(operators: OperatorAccounts) -> None:
    token = _token(operators)
    assert operators.prepare_setup() == token  # the same after a restart
    assert stat.S_IMODE(operators.token_file.stat().st_mode) == 0o600
    session = _set_up(operators, f" {token}\n")
    signed = operators.identify(session)
    assert signed is not None
    assert signed.label == "Tomas Nagy"
    assert not operators.token_file.exists()
    assert operators.prepare_setup() is None
    with pytest.raises(LinkUnusable):
        _set_up(operators, token)
    operators.token_file.write_text(token)  # somebody put it back
    with pytest.raises(LinkUnusable):
        _set_up(operators, token)


def test_a_wrong_token_opens_nothing_and_is_not_guessed(operators: OperatorAccounts) -> None:
    for wrong in ["", "x", "é"] * 6 + [_token(operators)[:-1]]:
        with pytest.raises(LinkUnusable):
            _set_up(operators, wrong)
    with pytest.raises(LinkUnusable):
        _set_up(operators, "")
    with pytest.raises(TooManyAttempts) as refused:
        _set_up(operators, _token(operators))
    assert refused.value.until == START + timedelta(minutes=15)
    assert operators.setup_needed()


def test_a_weak_password_leaves_the_token(operators: OperatorAccounts) -> None:
    with pytest.raises(InvalidInput, match="password"):
        _set_up(operators, _token(operators), "short")
    assert _set_up(operators, _token(operators))


def test_signing_in_and_out(operators: OperatorAccounts) -> None:
    first = _set_up(operators, _token(operators))
    second = operators.sign_in("Tomas@ATLAS.example", _PASSWORD, "10.0.0.1", first)
    assert second != first
    assert operators.identify(first) is None
    operators.sign_out(second)
    assert operators.identify(second) is None
    for email, password in (("tomas@atlas.example", "another one"), ("nobody@atlas.example", _PASSWORD)):
        with pytest.raises(SignInRefused):
            operators.sign_in(email, password, "10.0.0.1", None)


def test_a_session_of_the_portal_opens_nothing_here(operators: OperatorAccounts) -> None:
    _set_up(operators, _token(operators))
    operator = operators.identify(operators.sign_in("tomas@atlas.example", _PASSWORD, "", None))
    assert operator is not None
    with operators.main.write() as connection:
        token = begin(SqlSessions(connection), Realm.PORTAL, operator.operator.id, START, instead=None)
    assert operators.identify(token) is None


def test_a_session_is_over_after_a_time_without_use(operators: OperatorAccounts) -> None:
    session = _set_up(operators, _token(operators))
    clock = operators.clock
    assert isinstance(clock, ManualClock)
    idle, _ = LIFETIMES[Realm.CONSOLE]
    clock.advance(idle - timedelta(seconds=1))
    assert operators.identify(session) is not None  # and that is noted
    clock.advance(idle - timedelta(seconds=1))
    assert operators.identify(session) is not None
    clock.advance(idle)
    assert operators.identify(session) is None
