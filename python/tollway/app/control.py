"""Control's process: Admin API, console and portal, and the configuration stream that gateways follow."""

from __future__ import annotations

import signal
import socket
import threading
from collections.abc import Callable, Mapping
from uuid import UUID

from fastapi import FastAPI

from tollway.app.api import api_app
from tollway.app.console import console_app
from tollway.app.data_dir import node_id
from tollway.app.gateway import open_gateway
from tollway.app.listeners import public_address
from tollway.app.plans import count_plans, tell_offers
from tollway.app.portal import portal_app
from tollway.app.serving import served
from tollway.app.settings import Settings
from tollway.app.shop import Shop
from tollway.app.usage import open_usage
from tollway.gateway.publisher import Publisher
from tollway.kernel.clock import SystemClock
from tollway.storage.commerce import Commerce
from tollway.web.admin.app import create_admin_app

__all__ = ["run_control"]


def run_control(
    settings: Settings,
    listeners: Mapping[str, socket.socket],
    *,
    configuration: socket.socket | None = None,
    ready: Callable[[], None] = lambda: None,
) -> None:
    """Serve each application on its listening socket, and the configuration to gateways, until SIGTERM.

    `listeners` has `admin`, and `console` and `portal` where they are not switched off. `configuration` is
    the listening socket for gateways, where a supervisor lends it, who then keeps a gateway too; otherwise
    it is opened here. `ready` is called once all of them are served.
    """
    stop = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stop.set())
    clock = SystemClock()
    with open_gateway(settings) as store, open_usage(settings, clock) as usage:
        source = store.source()
        if configuration is None:
            publisher = Publisher(source, settings.control_socket)
        else:
            publisher = Publisher(source, settings.control_socket, lent=configuration, expected=1)
        store.database.after_commit(publisher.wake)
        publisher.start()
        try:
            with store.database.write() as connection, store.join(connection) as gateway:
                commerce = Commerce(connection, clock)
                count_plans(gateway, commerce)
                tell_offers(gateway, commerce, settings.portal_origin)
            shop = Shop(settings, store, usage, publisher, clock)
            apps = {
                "admin": _admin_app(shop, public_address(listeners["admin"])),
                "console": console_app(shop),
                "portal": portal_app(shop),
            }
            with served({name: (apps[name], listener) for name, listener in listeners.items()}, stop):
                if not stop.is_set():
                    ready()
                stop.wait()
        finally:
            publisher.stop()


def _admin_app(shop: Shop, listen: str) -> FastAPI:
    return create_admin_app(
        units=shop.store,
        gateways=shop.gateways,
        listen=listen,
        token=shop.settings.admin_token,
        facts={
            "node_id": str(UUID(node_id(shop.settings))),
            "database": shop.main.engine.dialect.name,
        },
        api=api_app(shop),
    )
