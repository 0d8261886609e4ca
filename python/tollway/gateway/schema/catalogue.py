"""Every schema that `/schemas/{entity}` shows, by Kong's name."""

from __future__ import annotations

from tollway.gateway.schema.certificates import CA_CERTIFICATES, CERTIFICATES, SNIS
from tollway.gateway.schema.consumers import (
    ACLS,
    CONSUMER_GROUP_PLUGINS,
    CONSUMER_GROUPS,
    CONSUMERS,
    KEY_AUTHS,
)
from tollway.gateway.schema.entity import EntitySchema
from tollway.gateway.schema.plugins import plugin_schema
from tollway.gateway.schema.routes import ROUTES
from tollway.gateway.schema.services import SERVICES
from tollway.gateway.schema.upstreams import TARGETS, UPSTREAMS

__all__ = ["SCHEMAS"]

SCHEMAS: dict[str, EntitySchema] = {
    schema.name: schema
    for schema in (
        SERVICES,
        ROUTES,
        UPSTREAMS,
        TARGETS,
        CERTIFICATES,
        SNIS,
        CA_CERTIFICATES,
        CONSUMERS,
        CONSUMER_GROUPS,
        CONSUMER_GROUP_PLUGINS,
        KEY_AUTHS,
        ACLS,
        plugin_schema(None),
    )
}
