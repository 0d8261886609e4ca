"""The types of fields. `read` checks a value as JSON gives it and returns it normalised, defaults filled.

Null and absent are the same: a field with a default has it then, one that is required is at fault, any
other is None. Sentences are Kong's, since its clients' tests compare them.
"""

from __future__ import annotations

import copy
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, ClassVar
from uuid import UUID

from tollway.gateway.schema.violation import Problem, Violation

__all__ = [
    "Array",
    "Boolean",
    "Field",
    "Foreign",
    "Integer",
    "Map",
    "Number",
    "Record",
    "Shorthand",
    "String",
    "uuid_of",
]

Check = Callable[[Any], str | None]
"""Returns what is wrong with a value of the right type, or None."""

# JSON numbers are doubles to most readers, and a database's integers end at 63 bits.
_EXACT = 2**53


@dataclass(frozen=True, kw_only=True)
class Field:
    """What all fields have. `auto`: filled by Tollway when absent. `unsupported`: why it has to be null."""

    kind: ClassVar[str]
    required: bool = False
    default: Any = None
    auto: bool = False
    unique: bool = False
    one_of: tuple[Any, ...] = ()
    check: Check | None = None
    unsupported: str | None = None

    def read(self, value: Any) -> Any:
        """Return `value` normalised.

        Raises:
            Violation: it isn't what this field wants.
        """
        if value is None:
            if self.default is not None:
                return copy.deepcopy(self.default)
            if self.required:
                raise Violation("required field missing")
            return None
        if self.unsupported and value not in ([], {}):
            raise Violation(self.unsupported)
        result = self._typed(value)
        if self.one_of and result not in self.one_of:
            raise Violation("expected one of: " + ", ".join(str(choice) for choice in self.one_of))
        if self.check and (problem := self.check(result)):
            raise Violation(problem)
        return result

    def _typed(self, value: Any) -> Any:
        raise NotImplementedError


@dataclass(frozen=True, kw_only=True)
class String(Field):
    """Text; not empty unless `len_min` is 0."""

    kind = "string"
    len_min: int = 1
    len_max: int = 10_000
    uuid: bool = False

    def _typed(self, value: Any) -> str:
        if not isinstance(value, str):
            raise Violation("expected a string")
        if len(value) < self.len_min:
            raise Violation(f"length must be at least {self.len_min}")
        if len(value) > self.len_max:
            raise Violation(f"length must be at most {self.len_max}")
        if "\x00" in value or not _encodable(value):
            raise Violation("must be valid UTF-8 without NUL")
        if self.uuid:
            return str(uuid_of(value))
        return value


@dataclass(frozen=True, kw_only=True)
class Number(Field):
    """A number; a whole one is an int whichever way it was written."""

    kind = "number"
    between: tuple[int, int] | None = None
    gt: int | None = None

    def _typed(self, value: Any) -> int | float:
        if isinstance(value, bool) or not isinstance(value, int | float):
            raise Violation("expected a number")
        number: int | float = int(value) if isinstance(value, float) and value.is_integer() else value
        if self.gt is not None and number <= self.gt:
            raise Violation(f"value must be greater than {self.gt}")
        low, high = self.between or (-_EXACT, _EXACT)
        if not low <= number <= high:
            raise Violation(f"value should be between {low} and {high}")
        return number


@dataclass(frozen=True, kw_only=True)
class Integer(Number):
    """A whole number. `timestamp`: whole seconds since 1970."""

    kind = "integer"
    timestamp: bool = False

    def _typed(self, value: Any) -> int:
        whole = not isinstance(value, bool) and (
            isinstance(value, int) or (isinstance(value, float) and value.is_integer())
        )
        if not whole:
            raise Violation("expected an integer")
        return int(super()._typed(value))


@dataclass(frozen=True, kw_only=True)
class Boolean(Field):
    """True or false."""

    kind = "boolean"

    def _typed(self, value: Any) -> bool:
        if not isinstance(value, bool):
            raise Violation("expected a boolean")
        return value


@dataclass(frozen=True, kw_only=True)
class Array(Field):
    """A list; as a `set` without its repetitions."""

    elements: Field
    unique_elements: bool = False
    len_min: int = 0

    @property
    def kind(self) -> str:  # type: ignore[override]  # one class, two of Kong's types
        """Kong's name of the type."""
        return "set" if self.unique_elements else "array"

    def _typed(self, value: Any) -> list[Any]:
        if not isinstance(value, list | tuple):
            raise Violation("expected a set" if self.unique_elements else "expected an array")
        result: list[Any] = []
        problems: list[Problem | None] = []
        for element in value:
            read, problem = self._element(element)
            if problem is not None:
                problems += [None] * (len(result) - len(problems)) + [problem]
            result.append(read)
        if problems:
            raise Violation(problems)
        if self.unique_elements:
            result = list(dict.fromkeys(result))
        if len(result) < self.len_min:
            raise Violation(f"length must be at least {self.len_min}")
        return result

    def _element(self, value: Any) -> tuple[Any, Problem | None]:
        if value is None:
            return None, "required field missing"
        try:
            return self.elements.read(value), None
        except Violation as violation:
            return None, violation.problem


@dataclass(frozen=True, kw_only=True)
class Map(Field):
    """Values by name, the names being the user's."""

    kind = "map"
    keys: Field
    values: Field

    def _typed(self, value: Any) -> dict[str, Any]:
        if not isinstance(value, Mapping):
            raise Violation("expected a map")
        result: dict[str, Any] = {}
        problems: dict[str, Problem] = {}
        for name, part in value.items():
            try:
                self.keys.read(name)
                result[name] = self.values.read(part)
            except Violation as violation:
                problems[name] = violation.problem
        if problems:
            raise Violation(problems)
        return result


@dataclass(frozen=True)
class Shorthand:
    """A name that is written instead of fields: `field` is its type, `expand` gives the fields."""

    field: Field
    expand: Callable[[Any], Mapping[str, Any]]


@dataclass(frozen=True, kw_only=True)
class Record(Field):
    """Values by name, the names being ours; an absent record is one of nothing but defaults.

    `shorthands` turns a name that is not a field into fields: `url` of a service is its protocol, host,
    port and path. `whole` checks fields against each other once each is right by itself.
    """

    kind = "record"
    fields: Mapping[str, Field]
    shorthands: Mapping[str, Shorthand] = field(default_factory=dict)
    whole: Check | None = None

    def read(self, value: Any) -> dict[str, Any]:
        """Return the record with every field present."""
        if not isinstance(value, Mapping | None):
            raise Violation("expected a record")
        given = self.expand(value or {})
        result: dict[str, Any] = {}
        problems: dict[str, Problem] = {name: "unknown field" for name in given if name not in self.fields}
        for name, part in self.fields.items():
            try:
                result[name] = part.read(given.get(name))
            except Violation as violation:
                problems[name] = violation.problem
        if problems:
            raise Violation(problems)
        if self.whole and (problem := self.whole(result)):
            raise Violation(problem)
        return result

    def expand(self, given: Mapping[str, Any]) -> dict[str, Any]:
        """Replace shorthands by what they stand for."""
        result = {name: part for name, part in given.items() if name not in self.shorthands}
        for name, shorthand in self.shorthands.items():
            if given.get(name) is not None:
                try:
                    result = self.merge(result, shorthand.expand(shorthand.field.read(given[name])))
                except Violation as violation:
                    raise Violation({name: violation.problem}) from violation
        return result

    def merge(self, base: Mapping[str, Any], change: Mapping[str, Any]) -> dict[str, Any]:
        """Return `base` with the fields of `change`; records are merged, anything else is replaced."""
        result = dict(base)
        for name, part in change.items():
            inner = self.fields.get(name)
            before = result.get(name)
            if isinstance(inner, Record) and isinstance(part, Mapping) and isinstance(before, Mapping):
                result[name] = inner.merge(before, inner.expand(part))
            else:
                result[name] = part
        return result


@dataclass(frozen=True, kw_only=True)
class Foreign(Field):
    """Another entity: `{"id": …}`, or by its name, which is the field `key` there."""

    kind = "foreign"
    reference: str
    key: str | None = "name"
    allowed: bool = True

    def _typed(self, value: Any) -> dict[str, str]:
        if not self.allowed:
            raise Violation("value must be null")
        if not isinstance(value, Mapping):
            raise Violation("expected a record")
        known = {"id", self.key}
        if problems := {str(name): "unknown field" for name in value if name not in known}:
            raise Violation(problems)
        if value.get("id") is not None:
            try:
                return {"id": str(uuid_of(value["id"]))}
            except Violation as violation:
                raise Violation({"id": violation.problem}) from violation
        name = value.get(self.key) if self.key else None
        if not isinstance(name, str) or not name:
            raise Violation({"id": "required field missing"})
        return {str(self.key): name}


def uuid_of(value: Any) -> UUID:
    """Read a UUID in its canonical text, in either case.

    Raises:
        Violation: it isn't one.
    """
    if isinstance(value, str) and len(value) == 36:
        try:
            result = UUID(value)
        except ValueError:
            pass
        else:
            if str(result) == value.lower():
                return result
    raise Violation("expected a valid UUID")


def _encodable(text: str) -> bool:
    try:
        text.encode()
    except UnicodeEncodeError:  # a lone surrogate, which JSON can spell
        return False
    return True
