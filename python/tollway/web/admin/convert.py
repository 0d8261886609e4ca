"""Entities as the Admin API's JSON."""

from __future__ import annotations

from typing import Any

from tollway.gateway.models import (
    Acl,
    CaCertificate,
    Certificate,
    Consumer,
    ConsumerGroup,
    Entity,
    KeyAuth,
    Plugin,
    Route,
    Service,
    Sni,
    Target,
    Upstream,
)
from tollway.gateway.ports import TaggedEntity
from tollway.gateway.service import Gateway
from tollway.gateway.service.base import EntityService

__all__ = ["shown", "tag"]


def shown(entity: Entity, gateway: Gateway) -> dict[str, Any]:
    """Return the entity as Kong shows it: every field, whole seconds, other entities as `{"id": …}`."""
    if isinstance(entity, Certificate):
        return gateway.certificates.document(entity)
    document = _service(entity, gateway).schema.document(entity)
    if isinstance(entity, KeyAuth):
        document["key"] = gateway.key_auths.reveal(entity)
        document["ttl"] = gateway.key_auths.ttl(entity)
    return document


def tag(found: TaggedEntity) -> dict[str, Any]:
    """Return one tag of one entity."""
    return {"entity_name": found.entity_name, "entity_id": str(found.entity_id), "tag": found.tag}


def _service(entity: Entity, gateway: Gateway) -> EntityService[Any]:
    services: dict[type[Entity], EntityService[Any]] = {
        Service: gateway.services,
        Route: gateway.routes,
        Upstream: gateway.upstreams,
        Target: gateway.targets,
        Sni: gateway.snis,
        CaCertificate: gateway.ca_certificates,
        Consumer: gateway.consumers,
        ConsumerGroup: gateway.consumer_groups,
        KeyAuth: gateway.key_auths,
        Acl: gateway.acls,
        Plugin: gateway.plugins,
    }
    return services[type(entity)]
