"""The wheel built here installs and runs where there is no compiler."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

_ROOT = Path(__file__).parents[2]
_BIN = Path(sys.executable).parent
_FACT = {
    "id": "1",
    "currency": "USD",
    "quantity": "3",
    "price": {"model": "per_unit", "unit_amount": "0.5"},
}


@pytest.mark.timeout(600)
def test_a_wheel_installs_and_runs_in_a_clean_environment_without_rust(tmp_path: Path) -> None:
    wheels, home = tmp_path / "wheels", tmp_path / "home"
    _run(_BIN / "maturin", "build", "--release", "--locked", "--out", wheels, path=os.environ["PATH"])
    (wheel,) = wheels.glob("tollway-*.whl")

    environment = tmp_path / "venv"
    _run(_BIN / "uv", "venv", "--python", sys.executable, environment, path="")
    python = environment / "bin" / "python"
    # The pinned versions, but only those that the wheel itself asks for.
    _run(
        *(_BIN / "uv", "pip", "install", "--python", python, "--only-binary", ":all:"),
        *("--constraints", _constraints(tmp_path), wheel),
        path="",
    )
    prices = _run(
        *(environment / "bin" / "tollway", "price"),
        path="",
        cwd=home,
        text=json.dumps(_FACT) + "\n",
    )
    assert '"total": "1.50"' in prices
    version = _run(
        *(python, "-c", "import tollway._native as native; print(native.__version__)"), path="", cwd=home
    )
    assert wheel.name.startswith(f"tollway-{version.strip()}-")


def _constraints(folder: Path) -> Path:
    """Write the locked versions without their hashes, which constraints can't carry for a local wheel."""
    locked = (_ROOT / "requirements" / "dev.txt").read_text().splitlines()
    pins = [line.removesuffix("\\").strip() for line in locked if line[:1].isalnum()]
    path = folder / "constraints.txt"
    path.write_text("\n".join(pins) + "\n")
    return path


def _run(*command: object, path: str, cwd: Path = _ROOT, text: str | None = None) -> str:
    cwd.mkdir(exist_ok=True)
    done = subprocess.run(
        [str(part) for part in command],
        input=text,
        cwd=cwd,
        env={**os.environ, "PATH": path, "PYTHONPATH": ""},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, f"{command[0]} failed:\n{done.stdout}\n{done.stderr}"
    return done.stdout
