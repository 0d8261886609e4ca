"""The scratch folder: the peers' configurations with their place filled in, and the keys."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

__all__ = ["ROOT", "Scratch"]

ROOT = Path(__file__).resolve().parents[2]
_PEERS = ROOT / "bench" / "peers"


class Scratch:
    """A folder under `.build/bench` that holds everything a run writes."""

    def __init__(self) -> None:
        """Empty the folder and fill it anew."""
        self.path = ROOT / ".build" / "bench"
        shutil.rmtree(self.path, ignore_errors=True)
        for name in ("conf", "gw", "logs", "run"):
            (self.path / name).mkdir(parents=True)
        for source in _PEERS.iterdir():
            target = self.path / ("gw" if source.name == "kg.lua" else "conf") / source.name
            text = source.read_text(encoding="utf-8").replace("@BENCH@", str(self.path))
            target.write_text(text, encoding="utf-8")
        subprocess.run([sys.executable, self.conf("gen_keys.py")], check=True)

    def conf(self, name: str) -> Path:
        """Return a configuration's place."""
        return self.path / "conf" / name

    def keys(self) -> list[tuple[str, str]]:
        """Return (key, consumer) of every consumer."""
        lines = (self.path / "keys.txt").read_text(encoding="ascii").splitlines()
        return [(key, consumer) for key, consumer, _ in map(str.split, lines)]
