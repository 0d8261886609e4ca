"""A RabbitMQ of the test's own: its node, its ports, its cookie and its epmd, with its data in a folder."""

from __future__ import annotations

import contextlib
import os
import secrets
import signal
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import pika
from pika.adapters.blocking_connection import BlockingChannel

from tests.support.ports import free_port

__all__ = ["Broker"]

_PATIENCE = 90.0
_SERVER = "/usr/lib/rabbitmq/bin/rabbitmq-server"
"""Not the wrapper in the path, which insists on an account and on folders of its own."""


class Broker:
    """It can be killed and started again over the same data."""

    def __init__(self, folder: Path) -> None:
        folder.mkdir()
        self.port, dist, epmd = (free_port() for _ in range(3))
        (folder / "rabbitmq.conf").write_text(
            f"listeners.tcp.1 = 127.0.0.1:{self.port}\nloopback_users = none\nlog.console = false\n"
        )
        (folder / "plugins").write_text("[].\n")
        cookie = folder / ".erlang.cookie"
        cookie.write_text(secrets.token_hex(10))
        cookie.chmod(0o400)
        self._environment = {
            "PATH": os.environ["PATH"],
            "HOME": str(folder),
            "LANG": "C.UTF-8",
            "ERL_EPMD_PORT": str(epmd),
            "ERL_EPMD_ADDRESS": "127.0.0.1",
            "ERL_CRASH_DUMP": "/dev/null",
            "RABBITMQ_NODENAME": f"tollway{self.port}@localhost",
            "RABBITMQ_DIST_PORT": str(dist),
            "RABBITMQ_CONFIG_FILE": str(folder / "rabbitmq.conf"),
            "RABBITMQ_CONF_ENV_FILE": "/dev/null",
            "RABBITMQ_ENABLED_PLUGINS_FILE": str(folder / "plugins"),
            "RABBITMQ_MNESIA_BASE": str(folder / "mnesia"),
            "RABBITMQ_LOG_BASE": str(folder / "log"),
            "RABBITMQ_PID_FILE": str(folder / "pid"),
            # Others have work for the processors too.
            "RABBITMQ_SERVER_ADDITIONAL_ERL_ARGS": "+S 1:1 +sbwt none +sbwtdcpu none +sbwtdio none",
        }
        self._folder = folder
        # Otherwise the node starts one that outlives it.
        self._epmd = subprocess.Popen(
            ["epmd", "-port", str(epmd)], env=self._environment, stdin=subprocess.DEVNULL
        )
        self._server: subprocess.Popen[bytes] | None = None

    @property
    def url(self) -> str:
        """What TOLLWAY_BUS_URL is to be."""
        return f"amqp://guest:guest@127.0.0.1:{self.port}/%2F"

    def start(self) -> None:
        """Start the node and wait until it answers."""
        with (self._folder / "output").open("ab") as output:
            self._server = subprocess.Popen(
                [_SERVER],
                env=self._environment,
                cwd=self._folder,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                start_new_session=True,
            )
        deadline = time.monotonic() + _PATIENCE
        while True:
            assert self._server.poll() is None, (self._folder / "output").read_text()
            with contextlib.suppress(pika.exceptions.AMQPError, OSError), self.channel():
                return
            assert time.monotonic() < deadline, (self._folder / "output").read_text()
            time.sleep(0.1)

    def kill(self) -> None:
        """Kill the node with SIGKILL."""
        assert self._server is not None
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self._server.pid, signal.SIGKILL)
        self._server.wait()
        self._server = None

    def close(self) -> None:
        """End everything that was started."""
        if self._server is not None:
            self.kill()
        self._epmd.kill()
        self._epmd.wait()

    @contextlib.contextmanager
    def channel(self) -> Iterator[BlockingChannel]:
        """A channel of a connection of its own."""
        connection = pika.BlockingConnection(pika.URLParameters(self.url))
        try:
            yield connection.channel()
        finally:
            # The node may have been killed meanwhile.
            with contextlib.suppress(pika.exceptions.AMQPError):
                connection.close()
