"""The endpoints of all entities: a collection and its items, flat or below another entity."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import APIRouter, Depends, Request
from starlette.responses import Response

from tollway.gateway.errors import EntityNotFound
from tollway.gateway.service import Gateway
from tollway.web.admin.body import Body, read_body
from tollway.web.admin.context import Admin
from tollway.web.admin.convert import shown
from tollway.web.admin.listing import listed, page_request
from tollway.web.admin.resources import NESTED, RESOURCES, Nested, Resource

__all__ = ["add_entity_routes"]

GivenBody = Annotated[Body, Depends(read_body)]


def add_entity_routes(router: APIRouter, admin: Admin) -> None:
    """Add the endpoints of every entity."""
    for resource in RESOURCES:
        _Endpoints(admin, resource, None).add_to(router)
    for nested in NESTED:
        _Endpoints(admin, nested.child, nested).add_to(router)
    # Several parents may lead to the same field's other end: one set of endpoints for each field.
    for nested in {(nested.child.path, nested.field): nested for nested in NESTED}.values():
        if nested.child in RESOURCES:
            _Parent(admin, nested).add_to(router)


class _Endpoints:
    """`/{path}` and `/{path}/{reference}`, or the same below `/{parent}/{reference}/{segment}`."""

    def __init__(self, admin: Admin, resource: Resource, nested: Nested | None) -> None:
        self._admin = admin
        self._resource = resource
        self._nested = nested
        if nested is None:
            self._path = f"/{resource.path}"
        else:
            self._path = f"/{nested.parent.path}/{{{nested.parent.parameter}}}/{nested.segment}"

    def add_to(self, router: APIRouter) -> None:
        """Register the endpoints."""
        item = f"{self._path}/{{{self._resource.parameter}}}"
        router.add_api_route(self._path, self.list_all, methods=["GET", "HEAD"])
        router.add_api_route(self._path, self.create, methods=["POST"])
        router.add_api_route(item, self.get, methods=["GET", "HEAD"])
        router.add_api_route(item, self.replace, methods=["PUT"])
        router.add_api_route(item, self.update, methods=["PATCH"])
        router.add_api_route(item, self.delete, methods=["DELETE"])

    def list_all(self, request: Request) -> Response:
        """One page, filtered by `tags`; consumers also by `custom_id`."""
        wanted = page_request(request.query_params)

        def action(gateway: Gateway) -> dict[str, Any]:
            within = self._within(request, gateway)
            custom_id = request.query_params.get("custom_id")
            if custom_id is not None and self._resource.path == "consumers":
                within["custom_id"] = custom_id
            page = self._resource.service(gateway).page(wanted, within)
            return listed(request, [shown(item, gateway) for item in page.items], page.offset)

        return self._admin.read(action)

    def create(self, request: Request, body: GivenBody) -> Response:
        """A new entity."""

        def action(gateway: Gateway) -> dict[str, Any]:
            service = self._resource.service(gateway)
            parent = self._parent(request, gateway)
            document = body.document(service.schema_for(body.hint(), None))
            return shown(service.create(document | parent), gateway)

        return self._admin.write(request, 201, action)

    def get(self, request: Request) -> Response:
        """One entity."""

        def action(gateway: Gateway) -> dict[str, Any]:
            within = self._within(request, gateway)
            return shown(self._resource.service(gateway).get(self._reference(request), within), gateway)

        return self._admin.read(action)

    def replace(self, request: Request, body: GivenBody) -> Response:
        """An entity with exactly these fields, whether it existed or not."""

        def action(gateway: Gateway) -> dict[str, Any]:
            service = self._resource.service(gateway)
            within = self._within(request, gateway)
            existing = service.find(self._reference(request), within)
            document = body.document(service.schema_for(body.hint(), existing))
            document |= self._parent(request, gateway)
            return shown(service.replace(self._reference(request), document, within), gateway)

        return self._admin.write(request, 200, action)

    def update(self, request: Request, body: GivenBody) -> Response:
        """An entity with these fields changed."""

        def action(gateway: Gateway) -> dict[str, Any]:
            service = self._resource.service(gateway)
            within = self._within(request, gateway)
            existing = service.get(self._reference(request), within)
            document = body.document(service.schema_for(body.hint(), existing))
            return shown(service.update(self._reference(request), document, within), gateway)

        return self._admin.write(request, 200, action)

    def delete(self, request: Request) -> Response:
        """An entity less."""

        def action(gateway: Gateway) -> None:
            self._resource.service(gateway).delete(self._reference(request), self._within(request, gateway))

        return self._admin.write(request, 204, action)

    def _reference(self, request: Request) -> str:
        return str(request.path_params[self._resource.parameter])

    def _parent(self, request: Request, gateway: Gateway) -> dict[str, Any]:
        """Return what the path says about the document."""
        if self._nested is None:
            return {}
        return {self._nested.field: {"id": str(self._within(request, gateway)[f"{self._nested.field}_id"])}}

    def _within(self, request: Request, gateway: Gateway) -> dict[str, Any]:
        """Return what the path says about the entities below it."""
        if self._nested is None:
            return {}
        reference = str(request.path_params[self._nested.parent.parameter])
        parent = self._nested.parent.service(gateway).get(reference)
        return {f"{self._nested.field}_id": parent.id}


class _Parent:
    """`/{path}/{reference}/{field}`: the other end of a foreign key, e.g. the service of a route."""

    def __init__(self, admin: Admin, nested: Nested) -> None:
        self._admin = admin
        self._nested = nested

    def add_to(self, router: APIRouter) -> None:
        """Register the endpoints."""
        child = self._nested.child
        path = f"/{child.path}/{{{child.parameter}}}/{self._nested.field}"
        router.add_api_route(path, self.get, methods=["GET", "HEAD"])
        router.add_api_route(path, self.replace, methods=["PUT"])
        router.add_api_route(path, self.update, methods=["PATCH"])

    def get(self, request: Request) -> Response:
        """The parent."""
        return self._admin.read(
            lambda gateway: shown(
                self._nested.parent.service(gateway).get(self._reference(request, gateway)), gateway
            )
        )

    def replace(self, request: Request, body: GivenBody) -> Response:
        """The parent, with exactly these fields."""

        def action(gateway: Gateway) -> dict[str, Any]:
            service = self._nested.parent.service(gateway)
            document = body.document(service.schema_for(body.hint(), None))
            return shown(service.replace(self._reference(request, gateway), document), gateway)

        return self._admin.write(request, 200, action)

    def update(self, request: Request, body: GivenBody) -> Response:
        """The parent, with these fields changed."""

        def action(gateway: Gateway) -> dict[str, Any]:
            service = self._nested.parent.service(gateway)
            document = body.document(service.schema_for(body.hint(), None))
            return shown(service.update(self._reference(request, gateway), document), gateway)

        return self._admin.write(request, 200, action)

    def _reference(self, request: Request, gateway: Gateway) -> str:
        reference = str(request.path_params[self._nested.child.parameter])
        child = self._nested.child.service(gateway).get(reference)
        parent = getattr(child, f"{self._nested.field}_id")
        if parent is None:
            raise EntityNotFound(self._nested.field, reference)
        return str(parent)
