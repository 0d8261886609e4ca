"""Services and routes."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any
from uuid import UUID

from tollway.gateway.errors import ForeignKeyViolation
from tollway.gateway.models import Route, Service
from tollway.gateway.ports import EntityRepository
from tollway.gateway.schema.routes import ROUTES
from tollway.gateway.schema.services import SERVICES
from tollway.gateway.service.base import EntityService

__all__ = ["Routes", "Services"]


class Services(EntityService[Service]):
    """Upstream APIs."""

    schema = SERVICES
    singular = "service"

    @property
    def repository(self) -> EntityRepository[Service]:
        """Where services are kept."""
        return self.repositories.services

    def build(self, attributes: dict[str, Any], existing: Service | None) -> Service:  # noqa: ARG002
        """Make the model."""
        return Service(**attributes)

    def make(self, document: Mapping[str, Any], existing: Service | None) -> Service:
        """Check a document and make the model; authorities are named by a list of ids."""
        service = super().make(document, existing)
        for authority in service.ca_certificates or ():
            if self.repositories.ca_certificates.get(UUID(authority)) is None:
                raise ForeignKeyViolation.missing("ca_certificates", {"id": authority}, "ca_certificates")
        return service

    def delete_children(self, entity: Service) -> None:
        """Plugins go with their service; routes have to be taken away first."""
        if self.repositories.routes.all(service_id=entity.id):
            raise ForeignKeyViolation.referenced("services", "routes")
        for plugin in self.repositories.plugins.all(service_id=entity.id):
            self.repositories.plugins.delete(plugin)


class Routes(EntityService[Route]):
    """Match rules."""

    schema = ROUTES
    singular = "route"

    @property
    def repository(self) -> EntityRepository[Route]:
        """Where routes are kept."""
        return self.repositories.routes

    def build(self, attributes: dict[str, Any], existing: Route | None) -> Route:  # noqa: ARG002
        """Make the model."""
        return Route(**attributes)

    def delete_children(self, entity: Route) -> None:
        """Plugins go with their route."""
        for plugin in self.repositories.plugins.all(route_id=entity.id):
            self.repositories.plugins.delete(plugin)
