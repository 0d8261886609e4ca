"""Control's process: the Admin API, and the configuration stream that gateways follow."""

from __future__ import annotations

import signal
import socket
from importlib.metadata import version
from uuid import UUID

import uvicorn

from tollway.app.data_dir import node_id
from tollway.app.gateway import open_gateway
from tollway.app.listeners import public_address
from tollway.app.settings import Settings
from tollway.gateway.publisher import Publisher
from tollway.kernel.clock import SystemClock
from tollway.storage.gateway import SqlConfigurationSource
from tollway.storage.idempotency import SqlIdempotency
from tollway.web.admin.app import create_admin_app
from tollway.web.api import create_api_app

__all__ = ["run_control"]

_GRACE_SECONDS = 5


def run_control(settings: Settings, admin: socket.socket) -> None:
    """Serve the Admin API on a listening socket, and the configuration to gateways, until SIGTERM."""
    with open_gateway(settings) as store:
        publisher = Publisher(SqlConfigurationSource(store.database), settings.control_socket)
        store.database.after_commit(publisher.wake)
        publisher.start()
        try:
            app = create_admin_app(
                units=store,
                gateways=publisher,
                listen=public_address(admin),
                token=settings.admin_token,
                facts={"node_id": str(UUID(node_id(settings))), "database": "sqlite"},
                api=create_api_app(
                    [], idempotency=SqlIdempotency(store.database, SystemClock()), version=version("tollway")
                ),
            )
            # uvicorn ends in good order on these signals, and then raises them once more.
            for number in (signal.SIGTERM, signal.SIGINT):
                signal.signal(number, lambda *_: None)
            server = uvicorn.Server(
                uvicorn.Config(
                    app,
                    access_log=False,
                    log_level="warning",
                    server_header=False,
                    timeout_graceful_shutdown=_GRACE_SECONDS,
                )
            )
            server.run(sockets=[admin])
        finally:
            publisher.stop()
