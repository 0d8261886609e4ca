"""Who is in which consumer group; Kong's enterprise editions have these endpoints, and decK knows them."""

from __future__ import annotations

from typing import Any, TypeVar

from fastapi import APIRouter, Request
from starlette.responses import Response

from tollway.gateway.errors import EntityNotFound, SchemaViolation
from tollway.gateway.models import Consumer, ConsumerGroup
from tollway.gateway.service import Gateway
from tollway.web.admin.context import Admin
from tollway.web.admin.convert import shown
from tollway.web.admin.entities import GivenBody

__all__ = ["add_group_routes"]

T = TypeVar("T")

_GROUP = "/consumer_groups/{consumer_groups}"
_CONSUMER = "/consumers/{consumers}"


def add_group_routes(router: APIRouter, admin: Admin) -> None:
    """Add the endpoints of memberships. They come before those of entities: `GET` of a group differs."""
    endpoints = _Memberships(admin)
    router.add_api_route(_GROUP, endpoints.group, methods=["GET", "HEAD"])
    router.add_api_route(f"{_GROUP}/consumers", endpoints.members, methods=["GET", "HEAD"])
    router.add_api_route(f"{_GROUP}/consumers", endpoints.add_members, methods=["POST"])
    router.add_api_route(f"{_GROUP}/consumers", endpoints.empty, methods=["DELETE"])
    router.add_api_route(f"{_GROUP}/consumers/{{consumers}}", endpoints.member, methods=["GET", "HEAD"])
    router.add_api_route(f"{_GROUP}/consumers/{{consumers}}", endpoints.remove, methods=["DELETE"])
    router.add_api_route(f"{_CONSUMER}/consumer_groups", endpoints.groups, methods=["GET", "HEAD"])
    router.add_api_route(f"{_CONSUMER}/consumer_groups", endpoints.join, methods=["POST"])
    router.add_api_route(f"{_CONSUMER}/consumer_groups", endpoints.leave_all, methods=["DELETE"])
    item = f"{_CONSUMER}/consumer_groups/{{consumer_groups}}"
    router.add_api_route(item, endpoints.one_group, methods=["GET", "HEAD"])
    router.add_api_route(item, endpoints.remove, methods=["DELETE"])


class _Memberships:
    def __init__(self, admin: Admin) -> None:
        self._admin = admin

    def group(self, request: Request) -> Response:
        """A group and its consumers; `?list_consumers=false` leaves them out."""

        def action(gateway: Gateway) -> dict[str, Any]:
            group = _group(request, gateway)
            body: dict[str, Any] = {"consumer_group": shown(group, gateway)}
            if request.query_params.get("list_consumers") != "false":
                body |= _members(group, gateway)
            return body

        return self._admin.read(action)

    def members(self, request: Request) -> Response:
        """A group's consumers."""
        return self._admin.read(lambda gateway: _members(_group(request, gateway), gateway))

    def add_members(self, request: Request, body: GivenBody) -> Response:
        """Consumers into a group: `consumer` is an id, a username, or a list of them."""

        def action(gateway: Gateway) -> dict[str, Any]:
            group = _group(request, gateway)
            consumers = [
                _named(gateway.consumers.find(reference), "consumer", reference)
                for reference in _references(body.hint(), "consumer")
            ]
            for consumer in consumers:
                gateway.consumer_groups.add(group.id, consumer.id)
            return {
                "consumer_group": shown(group, gateway),
                "consumers": [shown(consumer, gateway) for consumer in consumers],
            }

        return self._admin.write(request, 201, action)

    def empty(self, request: Request) -> Response:
        """A group without consumers."""
        return self._admin.write(
            request, 204, lambda gateway: gateway.consumer_groups.empty(_group(request, gateway).id)
        )

    def member(self, request: Request) -> Response:
        """One consumer, if it is in the group."""

        def action(gateway: Gateway) -> dict[str, Any]:
            _, consumer = _membership(request, gateway)
            return {"consumer": shown(consumer, gateway)}

        return self._admin.read(action)

    def one_group(self, request: Request) -> Response:
        """One group, if the consumer is in it."""

        def action(gateway: Gateway) -> dict[str, Any]:
            group, _ = _membership(request, gateway)
            return {"consumer_group": shown(group, gateway)}

        return self._admin.read(action)

    def remove(self, request: Request) -> Response:
        """A consumer out of a group, from either side."""

        def action(gateway: Gateway) -> None:
            group, consumer = _group(request, gateway), _consumer(request, gateway)
            gateway.consumer_groups.remove_member(group.id, consumer.id)

        return self._admin.write(request, 204, action)

    def groups(self, request: Request) -> Response:
        """A consumer's groups."""
        return self._admin.read(lambda gateway: _groups(_consumer(request, gateway), gateway))

    def join(self, request: Request, body: GivenBody) -> Response:
        """A consumer into groups: `group` is an id, a name, or a list of them."""

        def action(gateway: Gateway) -> dict[str, Any]:
            consumer = _consumer(request, gateway)
            for reference in _references(body.hint(), "group"):
                group = _named(gateway.consumer_groups.find(reference), "group", reference)
                gateway.consumer_groups.add(group.id, consumer.id)
            return {"consumer": shown(consumer, gateway), **_groups(consumer, gateway)}

        return self._admin.write(request, 201, action)

    def leave_all(self, request: Request) -> Response:
        """A consumer without groups."""
        return self._admin.write(
            request, 204, lambda gateway: gateway.consumer_groups.leave_all(_consumer(request, gateway).id)
        )


def _group(request: Request, gateway: Gateway) -> ConsumerGroup:
    return gateway.consumer_groups.get(str(request.path_params["consumer_groups"]))


def _consumer(request: Request, gateway: Gateway) -> Consumer:
    return gateway.consumers.get(str(request.path_params["consumers"]))


def _membership(request: Request, gateway: Gateway) -> tuple[ConsumerGroup, Consumer]:
    group, consumer = _group(request, gateway), _consumer(request, gateway)
    if not gateway.consumer_groups.has_member(group.id, consumer.id):
        raise EntityNotFound("member", str(consumer.id))
    return group, consumer


def _members(group: ConsumerGroup, gateway: Gateway) -> dict[str, Any]:
    members = gateway.consumer_groups.members_of(group.id)
    return {"consumers": [shown(consumer, gateway) for consumer in members]}


def _groups(consumer: Consumer, gateway: Gateway) -> dict[str, Any]:
    groups = gateway.consumer_groups.groups_of(consumer.id)
    return {"consumer_groups": [shown(group, gateway) for group in groups]}


def _references(document: dict[str, Any], field: str) -> list[str]:
    """Read a body of one field, which names one entity or several."""
    if problems := {name: "unknown field" for name in document if name != field}:
        raise SchemaViolation(problems)
    value = document.get(field)
    if isinstance(value, dict):  # `consumer[]=bob`
        value = next(iter(value.values()), None)
    given: list[Any] = value if isinstance(value, list) else [value]
    references = [reference for reference in given if isinstance(reference, str) and reference]
    if not references or len(references) != len(given):
        raise SchemaViolation({field: "required field missing"})
    return references


def _named(entity: T | None, field: str, reference: str) -> T:
    if entity is None:
        raise SchemaViolation({field: f"no {field} named '{reference}'"})
    return entity
