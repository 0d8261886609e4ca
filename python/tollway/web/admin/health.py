"""How the targets of upstreams are: what gateways find, and what an operator says of one."""

from __future__ import annotations

import ipaddress
from collections.abc import Iterable
from typing import Any

from fastapi import APIRouter, Request
from starlette.responses import Response

from tollway.contracts.configuration import HealthWord, UpstreamHealth
from tollway.gateway.errors import EntityNotFound
from tollway.gateway.models import Target, Upstream
from tollway.gateway.service import Gateway
from tollway.gateway.service.base import PageRequest
from tollway.web.admin.context import Admin
from tollway.web.admin.convert import shown
from tollway.web.admin.listing import listed, page_request

__all__ = ["add_health_routes"]

_UPSTREAM = "/upstreams/{upstreams}"
_TARGET = _UPSTREAM + "/targets/{targets}"
# Where gateways differ, the worst is told: somebody's requests meet it.
_WORST: tuple[HealthWord, ...] = ("UNHEALTHY", "DNS_ERROR", "HEALTHY", "HEALTHCHECKS_OFF")


def add_health_routes(router: APIRouter, admin: Admin) -> None:
    """Add the endpoints. They come before those of entities: `/targets/all` is no target."""
    endpoints = _Health(admin)
    router.add_api_route(f"{_UPSTREAM}/health", endpoints.health, methods=["GET", "HEAD"])
    router.add_api_route(f"{_UPSTREAM}/targets/all", endpoints.all_targets, methods=["GET", "HEAD"])
    for below in ("", "/{address}"):
        # PUT is Kong's since 3.0, POST was before.
        router.add_api_route(f"{_TARGET}{below}/healthy", endpoints.healthy, methods=["PUT", "POST"])
        router.add_api_route(f"{_TARGET}{below}/unhealthy", endpoints.unhealthy, methods=["PUT", "POST"])


class _Health:
    def __init__(self, admin: Admin) -> None:
        self._admin = admin

    def health(self, request: Request) -> Response:
        """One page of targets, each with its health; `?balancer_health=1`: that of the whole."""
        wanted = page_request(request.query_params)

        def action(gateway: Gateway) -> dict[str, Any]:
            upstream = _upstream(request, gateway)
            reports = self._admin.gateways.health(upstream.id)
            node = {"node_id": self._admin.facts.get("node_id")}
            if request.query_params.get("balancer_health") in {"1", "true"}:
                word = _worst(report.health for report in reports)
                return {"data": {"id": str(upstream.id), "health": word}, "next": None, **node}
            page = gateway.targets.page(wanted, {"upstream_id": upstream.id})
            data = [shown(target, gateway) | _of(target, reports) for target in page.items]
            return listed(request, data, page.offset) | node

        return self._admin.read(action)

    def all_targets(self, request: Request) -> Response:
        """Every target, as the list of them has it: there is no history here."""
        wanted: PageRequest = page_request(request.query_params)

        def action(gateway: Gateway) -> dict[str, Any]:
            page = gateway.targets.page(wanted, {"upstream_id": _upstream(request, gateway).id})
            return listed(request, [shown(target, gateway) for target in page.items], page.offset)

        return self._admin.read(action)

    def healthy(self, request: Request) -> Response:
        """A target that may be used again."""
        return self._said(request, healthy=True)

    def unhealthy(self, request: Request) -> Response:
        """A target that may not be used until checks say otherwise."""
        return self._said(request, healthy=False)

    def _said(self, request: Request, *, healthy: bool) -> Response:
        with self._admin.units.read() as gateway:
            upstream = _upstream(request, gateway)
            within = {"upstream_id": upstream.id}
            target = gateway.targets.get(str(request.path_params["targets"]), within)
        address = request.path_params.get("address")
        if address is not None:
            address = _address(str(address), target)
        self._admin.gateways.set_health(upstream.id, target.id, address, healthy=healthy)
        return Response(status_code=204)


def _upstream(request: Request, gateway: Gateway) -> Upstream:
    return gateway.upstreams.get(str(request.path_params["upstreams"]))


def _address(text: str, target: Target) -> str:
    """Read `ip` or `ip:port`; the port is the target's where none is given."""
    bare, colon, port = text.rpartition(":")
    for host, number in ((text, target.target.rpartition(":")[2]), (bare if colon else "", port)):
        try:
            ip = ipaddress.ip_address(host.removeprefix("[").removesuffix("]"))
        except ValueError:
            continue
        if number.isascii() and number.isdigit() and 0 < int(number) <= 65_535:
            return f"[{ip}]:{int(number)}" if ip.version == 6 else f"{ip}:{int(number)}"
    raise EntityNotFound("address", text)


def _of(target: Target, reports: Iterable[UpstreamHealth]) -> dict[str, Any]:
    """Return what gateways find of one target, in Kong's form."""
    found = [one for report in reports for one in report.targets if one.id == target.id]
    addresses: dict[tuple[str, int], list[Any]] = {}
    for one in found:
        for address in one.addresses:
            addresses.setdefault((address.ip, address.port), []).append(address)
    host, _, port = target.target.rpartition(":")
    weights = {
        "total": sum(same[0].weight for same in addresses.values()),
        "available": sum(
            same[0].weight
            for same in addresses.values()
            if _worst(address.health for address in same) != "UNHEALTHY"
        ),
    }
    return {
        "health": _worst(one.health for one in found),
        "data": {
            "host": host,
            "port": int(port),
            "nodeWeight": target.weight,
            "weight": weights | {"unavailable": weights["total"] - weights["available"]},
            "addresses": [
                {
                    "ip": ip,
                    "port": number,
                    "weight": same[0].weight,
                    "health": _worst(address.health for address in same),
                }
                for (ip, number), same in sorted(addresses.items())
            ],
        },
    }


def _worst(words: Iterable[HealthWord]) -> HealthWord:
    """Return the worst; nobody looks where nobody says anything."""
    return min(words, key=_WORST.index, default="HEALTHCHECKS_OFF")
