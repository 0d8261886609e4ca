"""The data folder: its secret is made once, and one supervisor at a time has its node."""

from __future__ import annotations

import fcntl
import os
import stat
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from tollway.app.data_dir import claim_node, prepare, secret
from tollway.app.settings import Settings
from tollway.kernel.errors import Conflict, InvalidInput

pytestmark = pytest.mark.one_database


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    settings = Settings(data_dir=tmp_path / "data")
    prepare(settings)
    return settings


def test_the_secret_is_made_once_and_only_its_owner_reads_it(settings: Settings) -> None:
    with ThreadPoolExecutor(8) as pool:
        found = set(pool.map(lambda _: secret(settings), range(32)))
    assert len(found) == 1
    mode = stat.S_IMODE((settings.data_dir / "secret.key").stat().st_mode)
    assert mode == 0o600
    assert [path.name for path in settings.data_dir.glob(".*")] == []


def test_a_secret_that_could_be_guessed_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InvalidInput, match="TOLLWAY_SECRET_KEY: has 6 characters; use at least 16"):
        secret(Settings(data_dir=tmp_path, secret_key="secret"))


def test_a_second_supervisor_on_the_folder_is_refused(settings: Settings) -> None:
    node = claim_node(settings)
    with pytest.raises(Conflict, match="another Tollway runs on"):
        claim_node(settings)
    os.close(node.lock)
    again = claim_node(settings)
    assert again.id == node.id
    os.close(again.lock)


def test_a_node_of_an_earlier_version_is_taken_over_with_its_lock(settings: Settings) -> None:
    old = settings.usage_log_dir / "node"
    old.write_text("ab" * 16 + "\n")
    with old.open() as file:
        fcntl.flock(file, fcntl.LOCK_EX)  # that version is still running
        with pytest.raises(Conflict, match="another Tollway runs on"):
            claim_node(settings)
    assert not old.exists()
    node = claim_node(settings)
    assert node.id == "ab" * 16
    os.close(node.lock)


def test_nodes_that_share_a_usage_log_are_two(settings: Settings, tmp_path: Path) -> None:
    second = Settings(data_dir=tmp_path / "second", usage_log_dir=settings.usage_log_dir)
    prepare(second)
    nodes = [claim_node(one) for one in (settings, second)]
    assert len({node.id for node in nodes}) == 2
    for node in nodes:
        os.close(node.lock)
