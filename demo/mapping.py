"""A line of the log becomes a call of the Atlas API that deserves the line's status.

The path's shape chooses the operation, a checksum of the path its arguments: the same line is always the same
call. The method is kept.
"""

from __future__ import annotations

import json
import zlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from urllib.parse import quote, urlencode

from demo.traffic import Line
from demo.upstream.dataset import City, Places

__all__ = ["Call", "Mapper"]

_PART = 65536
_UNKNOWN_IDS = 1000  # GeoNames' ids of cities of this size are far above


@dataclass(frozen=True, slots=True)
class Call:
    """A request to send and the status it deserves.

    `revalidates`: the client holds this URL's answer, and sends its ETag.
    """

    method: str
    url: str
    expected: int
    headers: Mapping[str, str] = field(default_factory=dict)
    content: bytes | None = None
    revalidates: bool = False


class Mapper:
    """Maps lines onto calls about `places`."""

    def __init__(self, places: Places) -> None:
        """Choose arguments among `places`."""
        self._cities = list(places.cities.values())
        self._countries = list(places.countries)
        self._states = list(places.states)
        self._largest_file = len(places.downloads["cities.csv"])
        self._families: dict[str, Callable[[int], str]] = {
            "": lambda _: "/v1",
            "images": self._city_by_id,
            "icons": self._city_by_id,
            "blog": self._search,
            "presentations": self._nearest,
            "projects": self._distance,
            "files": lambda n: f"/v1/downloads/{('countries', 'us-states')[n % 2]}.csv",
            "articles": lambda n: (
                f"/v1/countries/{self._countries[n % len(self._countries)]}/cities?limit=10"
            ),
            "favicon.ico": lambda _: "/v1/continents",
            "robots.txt": lambda _: "/v1/downloads",
            "style2.css": lambda _: "/v1/states",
            "reset.css": lambda _: "/v1/states/CA",
        }

    def call(self, line: Line) -> Call:
        """Return the call for `line`. Raises ValueError for a status or method that no call here can earn."""
        number = zlib.crc32(line.path.encode())
        if line.method == "POST":
            return self._lookup(line, number)
        if line.status in (206, 416):
            return self._part(line, number)
        return Call(line.method, self._url(line, number), line.status, revalidates=line.status == 304)

    def _url(self, line: Line, number: int) -> str:
        match line.method, line.status:
            case (("GET" | "HEAD"), (200 | 304)):
                return self._good_url(line.path, number)
            case _, 301:
                return self._good_url(line.path, number).replace("/v1", "/v0/", 1).replace("//", "/", 1)
            case _, 403:
                return "/v1/sources"
            case _, 404:
                return self._missing_url(line.path, number)
            case _, 500:
                city = self._city(number).id
                return f"/v1/bearing?from={city}&to={city}"
            case _:
                raise _unearned(line)

    def _good_url(self, path: str, number: int) -> str:
        return self._families.get(_first_segment(path), self._country)(number)

    def _missing_url(self, path: str, number: int) -> str:
        unknown = number % _UNKNOWN_IDS
        match _first_segment(path):
            case "files":
                return f"/v1/downloads/{number:x}.csv"
            case "projects":
                return f"/v1/distance?from={self._city(number).id}&to={unknown}"
            case "presentations" | "articles":
                return "/v1/countries/ZZ/cities"
            case _:
                return f"/v1/cities/{unknown}"

    def _city(self, number: int) -> City:
        return self._cities[number % len(self._cities)]

    def _city_by_id(self, number: int) -> str:
        return f"/v1/cities/{self._city(number).id}"

    def _country(self, number: int) -> str:
        return f"/v1/countries/{self._countries[number % len(self._countries)]}"

    def _search(self, number: int) -> str:
        return f"/v1/cities?q={quote(self._city(number).name[:4])}&limit=5"

    def _nearest(self, number: int) -> str:
        city = self._city(number)
        return "/v1/nearest?" + urlencode({"lat": round(city.latitude, 2), "lon": round(city.longitude, 2)})

    def _distance(self, number: int) -> str:
        return f"/v1/distance?from={self._city(number).id}&to={self._city(number // 7 + 1).id}"

    def _part(self, line: Line, number: int) -> Call:
        size = self._largest_file
        first = number % (size - _PART) if line.status == 206 else size + number % _PART
        headers = {"Range": f"bytes={first}-{first + _PART - 1}"}
        return Call(line.method, "/v1/downloads/cities.csv", line.status, headers)

    def _lookup(self, line: Line, number: int) -> Call:
        ids = [self._city(number + step).id for step in range(3)]
        if line.status == 404:
            ids.append(number % _UNKNOWN_IDS)
        elif line.status != 200:
            raise _unearned(line)
        body = json.dumps({"ids": ids}).encode()
        headers = {"Content-Type": "application/json"}
        return Call("POST", "/v1/cities/lookup", line.status, headers, body)


def _unearned(line: Line) -> ValueError:
    return ValueError(f"no call earns {line.method} {line.path} a {line.status}")


def _first_segment(path: str) -> str:
    return path.split("?", 1)[0].strip("/").split("/", 1)[0]
