"""What the reference shows of an API. All of it is text to be escaped; `description`s are Markdown."""

from __future__ import annotations

import re
from dataclasses import dataclass
from enum import StrEnum
from functools import lru_cache
from urllib.parse import quote

__all__ = [
    "PATH_SAFE",
    "Answer",
    "Body",
    "KeyPlace",
    "Operation",
    "OperationEntry",
    "Parameter",
    "ParameterPlace",
    "Property",
    "SchemaView",
    "TagGroup",
]

PATH_SAFE = "/:@!$&'()*+,;=~"
"""What stays as it is in a path that is percent-encoded."""

_VARIABLE = re.compile(r"\{([^{}]+)\}")


class ParameterPlace(StrEnum):
    """Where a parameter goes."""

    PATH = "path"
    QUERY = "query"
    HEADER = "header"
    COOKIE = "cookie"


@dataclass(frozen=True, slots=True)
class OperationEntry:
    """An operation as lists and menus show it: cheap to make, for every operation of a large file."""

    slug: str
    id: str
    method: str
    """In capitals."""
    path: str
    title: str
    tags: tuple[str, ...]
    deprecated: bool

    @property
    def pattern(self) -> re.Pattern[str]:
        """What a request's path (percent-encoded) has to look like; a group for each variable."""
        return _path_pattern(self.path)

    def variables(self, path: str) -> dict[str, str]:
        """Return what a path that fits has in the place of each variable, as it is encoded there."""
        found = self.pattern.fullmatch(path)
        return dict(zip(_VARIABLE.findall(self.path), found.groups(), strict=True)) if found else {}


@lru_cache(4096)
def _path_pattern(path: str) -> re.Pattern[str]:
    """Return a pattern that decides in one go, however many variables a path has.

    Of several in one segment, each but the last ends where what follows it is first met, and no other end is
    tried: trying all of them, a path made for it would take for ever.
    """
    fixed = [quote(part, safe=PATH_SAFE) for part in re.split(r"\{[^{}]+\}", path)]
    pieces = [re.escape(fixed[0])]
    for place, following in enumerate(fixed[1:], 2):
        if "/" in following or place == len(fixed):
            pieces.append("([^/?#]+)")
        elif following:
            pieces.append(f"(?>([^/?#]+?)(?={re.escape(following)}))")
        else:
            pieces.append("([^/?#])")
        pieces.append(re.escape(following))
    return re.compile("".join(pieces))


@dataclass(frozen=True, slots=True)
class TagGroup:
    """Operations under one heading, in the file's order."""

    name: str
    description: str
    entries: tuple[OperationEntry, ...]


@dataclass(frozen=True, slots=True)
class SchemaView:
    """A schema as people read it: references followed, `allOf` merged, depth and size bounded.

    `kind` is the type in words (`list of City`, `string or null`), `rules` its constraints in words.
    `cut` says why there are no inner parts: a schema within itself, or too deep to show.
    """

    kind: str
    name: str = ""
    description: str = ""
    rules: tuple[str, ...] = ()
    properties: tuple[Property, ...] = ()
    variants_title: str = ""
    variants: tuple[SchemaView, ...] = ()
    cut: str = ""


@dataclass(frozen=True, slots=True)
class Property:
    """A named part of an object."""

    name: str
    required: bool
    schema: SchemaView


@dataclass(frozen=True, slots=True)
class Parameter:
    """A parameter. `example` is what samples and the try-it form begin with; None is left out of them.

    `explode` is OpenAPI's: whether a list is `a=1&a=2` or `a=1,2`.
    """

    name: str
    place: ParameterPlace
    required: bool
    description: str
    schema: SchemaView
    example: object
    choices: tuple[str, ...]
    is_list: bool
    explode: bool


@dataclass(frozen=True, slots=True)
class Body:
    """A request's or an answer's content in one media type. `example` is ready to be shown."""

    media_type: str
    required: bool
    description: str
    schema: SchemaView | None
    example: str
    is_json: bool


@dataclass(frozen=True, slots=True)
class Answer:
    """One documented answer. `status` is a code, `2XX` or `default`."""

    status: str
    description: str
    headers: tuple[Parameter, ...]
    content: Body | None
    media_types: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class KeyPlace:
    """Where a caller's key goes: a header or a query parameter, with what stands before it."""

    place: ParameterPlace
    name: str
    prefix: str = ""


@dataclass(frozen=True, slots=True)
class Operation:
    """Everything that an operation's page shows. `key` is None where no key is needed."""

    entry: OperationEntry
    description: str
    parameters: tuple[Parameter, ...]
    body: Body | None
    answers: tuple[Answer, ...]
    key: KeyPlace | None

    def at(self, place: ParameterPlace) -> tuple[Parameter, ...]:
        """Return the parameters that go there."""
        return tuple(parameter for parameter in self.parameters if parameter.place is place)
