"""A whole Tollway for tests as `tollway serve` runs it: one supervisor, the roles its children."""

from __future__ import annotations

import contextlib
import json
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx2

from tests.support.stack import Role, Stack

__all__ = ["Installation", "Supervised"]

_PACKAGE = Path(__file__).parents[2] / "python" / "tollway"


class Installation:
    """A package that processes import, of which another version can be installed in one step."""

    def __init__(self, folder: Path) -> None:
        """Install nothing yet; `folder` must exist."""
        self._folder = folder
        self.path = folder / "installed"

    def install(self, version: str) -> None:
        """Put a copy that calls itself `version` in the place of what is installed."""
        site = self._folder / version
        if not site.exists():
            shutil.copytree(_PACKAGE, site / "tollway")
            information = site / f"tollway-{version}.dist-info"
            information.mkdir()
            (information / "METADATA").write_text(
                f"Metadata-Version: 2.1\nName: tollway\nVersion: {version}\n"
            )
        link = self._folder / "next"
        link.symlink_to(site)
        link.rename(self.path)

    def spoil(self, module: str) -> None:
        """Make a module of what is installed one that can't be imported."""
        (self.path / "tollway" / module).write_text("raise RuntimeError('spoilt')\n")

    def spoil_function(self, module: str, function: str) -> None:
        """Make a function of a module one that fails only when it is called."""
        with (self.path / "tollway" / module).open("a") as source:
            source.write(f"\n\ndef {function}(*_, **__):\n    raise RuntimeError('spoilt when called')\n")


class Supervised(Stack):
    """`tollway serve` on ports of its own. `processes` and `reloads` are what it says of itself."""

    def __init__(self, folder: Path, *, package: Path | None = None, **settings: str) -> None:
        """`package` is a folder with another build of the package; `settings` are environment variables."""
        settings = {"TOLLWAY_PROXY_TLS_LISTEN": "off"} | settings
        super().__init__(folder, package=package, **settings)
        self.supervisor = Role("all", self.environment, folder / "serve.log")

    @contextlib.contextmanager
    def running(self) -> Iterator[Supervised]:
        """Start it; end it when the block ends."""
        try:
            self.supervisor.start()
            self.wait_ready()
            yield self
        finally:
            self.supervisor.stop()

    def run_file(self) -> dict[str, Any]:
        """Return what the supervisor says of itself."""
        facts: dict[str, Any] = json.loads((self.folder / "data" / "run.json").read_text())
        return facts

    def version(self) -> str:
        """Return the version of the gateway that serves."""
        text = httpx2.get(self.url("status") + "/metrics", timeout=20).text
        return text.split('tollway_build_info{version="')[1].split('"')[0]
