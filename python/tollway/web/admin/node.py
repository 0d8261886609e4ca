"""What the server says about itself: what it is, what it can, how it is."""

from __future__ import annotations

import base64
import binascii
import json
import socket
from collections.abc import Callable
from datetime import timedelta
from typing import Any
from uuid import UUID

from fastapi import APIRouter, Request
from starlette.responses import Response

from tollway.gateway.errors import InvalidOffset
from tollway.gateway.ports import TaggedEntity
from tollway.gateway.schema.catalogue import SCHEMAS
from tollway.gateway.schema.describe import describe, describe_plugin
from tollway.gateway.schema.plugins import PLUGINS, plugin_schema
from tollway.gateway.service import Gateway
from tollway.web.admin import convert
from tollway.web.admin.answers import AdminError, Json
from tollway.web.admin.context import Admin
from tollway.web.admin.entities import GivenBody
from tollway.web.admin.listing import listed, size_of

__all__ = ["add_node_routes"]

KONG_VERSION = "3.9.1"
# How long before its end a certificate is told: most are renewed a month before.
_SOON = timedelta(days=28)


def add_node_routes(router: APIRouter, admin: Admin) -> None:
    """Add the endpoints. They come before those of entities: `/plugins/enabled` is not a plugin."""
    endpoints = _Node(admin, router)
    pages: dict[str, Callable[..., Response]] = {
        "/": endpoints.root,
        "/status": endpoints.status,
        "/endpoints": endpoints.endpoints,
        "/plugins/enabled": endpoints.enabled_plugins,
        "/schemas/plugins/{name}": endpoints.plugin_schema,
        "/schemas/{name}": endpoints.entity_schema,
        "/tags": endpoints.tags,
        "/tags/{tag}": endpoints.tags,
    }
    for path, endpoint in pages.items():
        router.add_api_route(path, endpoint, methods=["GET", "HEAD"])
    router.add_api_route("/schemas/plugins/validate", endpoints.validate_plugin, methods=["POST"])
    router.add_api_route("/schemas/{name}/validate", endpoints.validate_entity, methods=["POST"])


class _Node:
    def __init__(self, admin: Admin, router: APIRouter) -> None:
        self._admin = admin
        self._router = router

    def root(self) -> Response:
        """What runs here; Kong's clients read `version`, `plugins` and `configuration`."""

        def action(gateway: Gateway) -> dict[str, Any]:
            return {
                "tagline": "Welcome to Tollway, which speaks Kong's Admin API",
                "version": KONG_VERSION,
                "edition": "community",
                "hostname": socket.gethostname(),
                "node_id": self._admin.facts.get("node_id"),
                "plugins": {
                    "available_on_server": {
                        name: {"version": KONG_VERSION, "priority": plugin.priority}
                        for name, plugin in PLUGINS.items()
                    },
                    "enabled_in_cluster": gateway.plugins.names_in_use(),
                    "disabled_on_server": {},
                },
                "configuration": {
                    "database": self._admin.facts.get("database"),
                    "router_flavor": "traditional",
                    "plugins": ["bundled"],
                    "loaded_plugins": dict.fromkeys(PLUGINS, True),
                },
                "tollway": {"version": self._admin.facts.get("version"), "config_version": gateway.version},
            }

        return self._admin.read(action)

    def status(self) -> Response:
        """Whether the database answers, what each gateway judges by, and which certificates end soon."""

        def action(gateway: Gateway) -> dict[str, Any]:
            ending = gateway.certificates.ending(gateway.certificates.now() + _SOON)
            return {
                "database": {"reachable": True},
                "tollway": {
                    "config_version": gateway.version,
                    "gateways": [state.as_json() for state in self._admin.gateways.connected()],
                    "certificates_ending": [
                        {"id": str(one.id), "snis": list(one.snis), "not_after": int(end.timestamp())}
                        for one, end in ending
                    ],
                },
            }

        return self._admin.read(action)

    def endpoints(self) -> Response:
        """Every path there is."""
        paths = sorted({str(getattr(route, "path", "")) for route in self._router.routes} - {""})
        return Json({"data": paths, "next": None})

    def enabled_plugins(self) -> Response:
        """Every plugin there is."""
        return Json({"enabled_plugins": sorted(PLUGINS)})

    def entity_schema(self, name: str) -> Response:
        """What an entity consists of."""
        if name not in SCHEMAS:
            raise AdminError(404, f"No entity named '{name}'")
        return Json(describe(SCHEMAS[name]))

    def plugin_schema(self, name: str) -> Response:
        """What a plugin's configuration consists of."""
        if name not in PLUGINS:
            raise AdminError(404, f"No plugin named '{name}'")
        return Json(describe_plugin(plugin_schema(PLUGINS[name])))

    def validate_entity(self, name: str, body: GivenBody) -> Response:
        """Whether an entity is well formed; nothing is stored."""
        if name not in SCHEMAS:
            raise AdminError(404, f"No entity named '{name}'")
        schema = SCHEMAS[name]
        schema.read(body.document(schema))
        return Json({"message": "schema validation successful"})

    def validate_plugin(self, body: GivenBody) -> Response:
        """Whether a plugin is well formed; nothing is stored."""

        def action(gateway: Gateway) -> dict[str, str]:
            schema = gateway.plugins.schema_for(body.hint(), None)
            schema.read(body.document(schema))
            return {"message": "schema validation successful"}

        return self._admin.read(action)

    def tags(self, request: Request) -> Response:
        """Which entities have which tags, or one of them."""
        size = size_of(request.query_params)
        offset = request.query_params.get("offset")
        after = _read(offset) if offset else None
        tag = request.path_params.get("tag")

        def action(gateway: Gateway) -> dict[str, Any]:
            found = gateway.tags(tag, after, size + 1)
            more = _write(found[size - 1]) if len(found) > size else None
            return listed(request, [convert.tag(one) for one in found[:size]], more)

        return self._admin.read(action)


def _write(last: TaggedEntity) -> str:
    text = json.dumps([last.tag, last.entity_name, str(last.entity_id)])
    return base64.urlsafe_b64encode(text.encode()).decode()


def _read(token: str) -> TaggedEntity:
    try:
        tag, name, entity_id = json.loads(base64.b64decode(token, altchars=b"-_", validate=True))
        return TaggedEntity(str(name), UUID(entity_id), str(tag))
    except (binascii.Error, ValueError, TypeError, AttributeError):
        raise InvalidOffset(token, "not a token that this server gave out") from None
