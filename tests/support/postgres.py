"""A PostgreSQL server for tests: one for each run, on a Unix socket in a temporary folder."""

from __future__ import annotations

import atexit
import os
import pwd
import shutil
import subprocess
import tempfile
import uuid
from functools import cache
from pathlib import Path

import psycopg
from psycopg import sql

__all__ = ["admin", "new_database"]


def new_database(template: str | None = None) -> str:
    """Make a database, empty or the copy of another; return its URL."""
    name = f"t{uuid.uuid4().hex[:16]}"
    statement = sql.SQL("CREATE DATABASE {} TEMPLATE {}").format(
        sql.Identifier(name), sql.Identifier(template or "template0")
    )
    with admin() as connection:
        connection.execute(statement)
    return f"postgresql+psycopg://tollway@/{name}?host={_server()}"


def admin() -> psycopg.Connection:
    """Return a connection to the server's own database, without a transaction."""
    return psycopg.connect(host=_server(), user="tollway", dbname="postgres", autocommit=True)


@cache
def _server() -> str:
    """Start the server, once; return the folder of its socket."""
    programs = max(Path("/usr/lib/postgresql").glob("*/bin"), key=lambda path: int(path.parent.name))
    folder = Path(tempfile.mkdtemp(prefix="tollway-pg-", dir="/tmp"))  # a socket's path must be short
    as_user: dict[str, int] = {}
    if os.geteuid() == 0:  # which PostgreSQL refuses to run as
        account = pwd.getpwnam("postgres")
        os.chown(folder, account.pw_uid, account.pw_gid)
        as_user = {"user": account.pw_uid, "group": account.pw_gid}
    data = folder / "data"
    subprocess.run(
        [programs / "initdb", "-D", data, "-U", "tollway", "-A", "trust", "-E", "UTF8", "--no-locale", "-N"],
        check=True,
        capture_output=True,
        cwd=folder,
        **as_user,
    )
    # Tests kill Tollway, never this server: nothing needs to be on the disk.
    settings = {
        "listen_addresses": "",
        "unix_socket_directories": str(folder),
        "fsync": "off",
        "full_page_writes": "off",
        "synchronous_commit": "off",
        "max_connections": "400",
        "autovacuum": "off",
    }
    options = " ".join(f"-c {name}='{value}'" for name, value in settings.items())
    subprocess.run(
        [programs / "pg_ctl", "-D", data, "-l", folder / "log", "-w", "-t", "120", "-o", options, "start"],
        check=True,
        capture_output=True,
        cwd=folder,
        **as_user,
    )

    def stop() -> None:
        subprocess.run(
            [programs / "pg_ctl", "-D", data, "-m", "immediate", "stop"],
            check=False,
            capture_output=True,
            cwd=folder,
            **as_user,
        )
        shutil.rmtree(folder, ignore_errors=True)

    atexit.register(stop)
    return str(folder)
