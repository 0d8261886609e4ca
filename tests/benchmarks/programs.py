"""The programs of a run: servers and wrk from Debian, relay and load from crates/bench."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from collections.abc import Collection
from dataclasses import dataclass
from pathlib import Path

from tests.benchmarks.scratch import ROOT

__all__ = ["Programs", "build_programs", "install_programs"]

_PATH = os.pathsep.join([os.environ.get("PATH", ""), "/usr/sbin", "/sbin"])
_LUA = "/usr/lib/nginx/modules/ngx_http_lua_module.so"


@dataclass(frozen=True, slots=True)
class Programs:
    """Those of crates/bench."""

    relay: Path
    load: Path


def build_programs() -> Programs:
    """Build crates/bench as the engine is built for sellers; quick when nothing changed."""
    command = ["cargo", "build", "--quiet", "--release", "--locked", "-p", "tollway-bench"]
    output = subprocess.run(
        [*command, "--message-format=json"], cwd=ROOT, check=True, stdout=subprocess.PIPE, text=True
    ).stdout
    made = {}
    for message in map(json.loads, output.splitlines()):
        if message["reason"] == "compiler-artifact" and message["executable"]:
            made[message["target"]["name"]] = Path(message["executable"])
    return Programs(relay=made["relay"], load=made["load"])


def install_programs(subjects: Collection[str]) -> None:
    """Install what the run needs and this machine lacks.

    Raises SystemExit with the command to run where it may not.
    """
    wanted = {"nginx", "wrk"} | ({"haproxy"} & set(subjects))
    packages = [name for name in sorted(wanted) if shutil.which(name, path=_PATH) is None]
    if "nginx_lua" in subjects and not Path(_LUA).exists():
        packages += ["libnginx-mod-http-lua", "lua-cjson"]
    if not packages:
        return
    if os.geteuid() != 0:
        raise SystemExit(f"run this, then again:  sudo apt-get install {' '.join(packages)}")
    for command in (["update"], ["install", "-y", *packages]):
        subprocess.run(["apt-get", "-qq", *command], check=True, stdout=subprocess.DEVNULL)
