"""The engine built with places at which it dies, in a package of its own beside the installed one."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

import pytest

_ROOT = Path(__file__).parents[3]


@pytest.fixture(scope="session")
def failpoint_package(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a folder for PYTHONPATH whose `tollway` has that engine and is otherwise the same."""
    features = "pyo3/extension-module,failpoints"
    subprocess.run(
        ["cargo", "build", "--quiet", "--locked", "--package", "tollway-bindings", "--features", features],
        cwd=_ROOT,
        check=True,
    )
    target = Path(os.environ.get("CARGO_TARGET_DIR", _ROOT / "target"))
    folder = tmp_path_factory.mktemp("failpoints")
    package = folder / "tollway"
    package.mkdir()
    for entry in (_ROOT / "python" / "tollway").iterdir():
        if entry.suffix != ".so":
            (package / entry.name).symlink_to(entry)
    (library,) = (target / "debug").glob("lib*native*.so")
    shutil.copy(library, package / "_native.abi3.so")
    return folder
