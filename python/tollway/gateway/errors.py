"""What may be wrong with a request to change the gateway, in Kong's words.

InvalidInput
├── SchemaViolation       2   the entity is not well formed
├── InvalidPrimaryKey     1   not an id
├── PrimaryKeyViolation   3   the id is taken
├── ForeignKeyViolation   4   refers to what isn't there, or is still referred to
├── InvalidOffset         7   not a page's token
├── ReferencedByOthers   19   a list of ids elsewhere has it
└── InvalidOption        11   a list cannot be filtered like that
Conflict
├── UniqueViolation       5   the name is taken
└── KeyEnds              12   the key has an end already
NotFound
└── EntityNotFound        6
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any, ClassVar
from uuid import UUID

from tollway.gateway.schema.violation import Problem, flatten
from tollway.kernel.errors import Conflict, InvalidInput, NotFound, TollwayError

__all__ = [
    "EntityNotFound",
    "ForeignKeyViolation",
    "InvalidOffset",
    "InvalidOption",
    "InvalidPrimaryKey",
    "KeyEnds",
    "KongError",
    "PrimaryKeyViolation",
    "ReferencedByOthers",
    "SchemaViolation",
    "UniqueViolation",
    "entity_violation",
]


class KongError(TollwayError):
    """A fault that Kong has a code for. `message` and `fields` are what its Admin API answers."""

    code: ClassVar[int]
    title: ClassVar[str]
    message: str
    fields: Mapping[str, Any]


class SchemaViolation(KongError, InvalidInput):
    """The entity is not well formed; `fields` says where, `@entity` holds what concerns several fields."""

    code = 2
    title = "schema violation"

    def __init__(self, fields: Mapping[str, Problem]) -> None:
        faults = flatten(fields)
        self.fields = fields
        text = "; ".join(f"{path}: {problem}" if path else problem for path, problem in faults)
        self.message = (
            f"schema violation ({text})" if len(faults) == 1 else f"{len(faults)} schema violations ({text})"
        )
        path, problem = faults[0] if faults else ("", "")
        InvalidInput.__init__(self, path or "entity", problem)

    def __str__(self) -> str:
        return self.message

    @classmethod
    def of(cls, problem: Problem) -> SchemaViolation:
        """A violation from any problem: one without field names concerns the entity as a whole."""
        return cls(problem if isinstance(problem, Mapping) else {"@entity": [problem]})


def entity_violation(*problems: str) -> SchemaViolation:
    """A violation that concerns the entity as a whole."""
    return SchemaViolation({"@entity": list(problems)})


class InvalidPrimaryKey(KongError, InvalidInput):
    """Something that is not a UUID stands where an id has to."""

    code = 1
    title = "invalid primary key"

    def __init__(self, value: Any) -> None:
        self.fields = {"id": "expected a valid UUID"}
        self.message = f"invalid primary key: '{pretty({'id': value})}'"
        InvalidInput.__init__(self, "id", self.message)


class PrimaryKeyViolation(KongError, InvalidInput):
    """An entity with this id exists."""

    code = 3
    title = "primary key violation"

    def __init__(self, entity_id: UUID) -> None:
        self.fields = {"id": str(entity_id)}
        self.message = f"primary key violation on key '{pretty(self.fields)}'"
        InvalidInput.__init__(self, "id", self.message)


class ForeignKeyViolation(KongError, InvalidInput):
    """The entity refers to one that doesn't exist, or is referred to by one that does."""

    code = 4
    title = "foreign key violation"

    def __init__(self, message: str, fields: Mapping[str, Any]) -> None:
        self.message = message
        self.fields = fields
        InvalidInput.__init__(self, next(iter(fields)), message)

    @classmethod
    def missing(cls, field: str, key: Mapping[str, Any], parent: str) -> ForeignKeyViolation:
        """`key` given in `field` names none of the entities `parent`."""
        text = f"the foreign key '{pretty(key)}' does not reference an existing '{parent}' entity."
        return cls(text, {field: dict(key)})

    @classmethod
    def referenced(cls, parent: str, child: str) -> ForeignKeyViolation:
        """One of the entities `child` still refers to this one of `parent`."""
        text = f"an existing '{child}' entity references this '{parent}' entity"
        return cls(text, {"@referenced_by": child})


class ReferencedByOthers(KongError, InvalidInput):
    """An entity that others name in a list of ids, which is no foreign key to a database."""

    code = 19
    title = "referenced by others"

    def __init__(self, subject: str, kind: str, entity_id: UUID) -> None:
        self.fields = {"@referenced_by": kind}
        self.message = f"{subject} is still referenced by {kind} (id = {entity_id})"
        InvalidInput.__init__(self, "id", self.message)


class InvalidOffset(KongError, InvalidInput):
    """The token of a page is not one that we gave out."""

    code = 7
    title = "invalid offset"

    def __init__(self, offset: str, problem: str) -> None:
        self.message = f"'{offset}' is not a valid offset: {problem}"
        self.fields = {"offset": problem}
        InvalidInput.__init__(self, "offset", self.message)


class InvalidOption(KongError, InvalidInput):
    """A list cannot be asked for like that."""

    code = 11
    title = "invalid options"

    def __init__(self, option: str, problem: str) -> None:
        self.message = f"invalid option ({option}: {problem})"
        self.fields = {option: problem}
        InvalidInput.__init__(self, option, problem)


class UniqueViolation(KongError, Conflict):
    """Another entity has this name."""

    code = 5
    title = "unique constraint violation"

    def __init__(self, key: Mapping[str, Any]) -> None:
        self.fields = key
        self.message = f"UNIQUE violation detected on '{pretty(key)}'"
        Conflict.__init__(self, self.message)


class KeyEnds(KongError, Conflict):
    """The key has an end already, by a `ttl` or by having been rotated. Kong has no code for this one."""

    code = 12
    title = "key ends"

    def __init__(self, credential_id: UUID, expires_at: datetime) -> None:
        self.fields = {"id": str(credential_id)}
        self.message = (
            f"the key ends at {expires_at:%Y-%m-%dT%H:%M:%SZ} already; make a new one with "
            "POST /consumers/{consumer}/key-auth"
        )
        Conflict.__init__(self, self.message)


class EntityNotFound(KongError, NotFound):
    """No entity has this id or name."""

    code = 6
    title = "not found"

    def __init__(self, kind: str, reference: str) -> None:
        NotFound.__init__(self, kind, reference)
        self.fields = {}
        self.message = "Not found"


def pretty(value: Any) -> str:
    """Write a key as Kong does: `{consumer={id="…"},group="gold"}`."""
    if isinstance(value, Mapping):
        return "{" + ",".join(f"{name}={pretty(part)}" for name, part in sorted(value.items())) + "}"
    if value is None:
        return "null"
    if isinstance(value, bool):
        return "true" if value else "false"
    return str(value) if isinstance(value, int | float) else f'"{value}"'
