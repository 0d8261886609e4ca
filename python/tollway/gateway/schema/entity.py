"""An entity's schema: its fields, the checks across them, and how its documents become models and back."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

from tollway.gateway.errors import SchemaViolation
from tollway.gateway.schema.fields import Field, Foreign, Integer, Record
from tollway.gateway.schema.violation import Problem, Violation

__all__ = ["EntityCheck", "EntitySchema"]


@dataclass(frozen=True)
class EntityCheck:
    """A rule across fields: `test` returns problems by field (`@entity` for all), or None.

    `description` is how Kong's schema JSON states the rule.
    """

    description: Mapping[str, Any]
    test: Callable[[Mapping[str, Any]], Mapping[str, Problem] | None]


@dataclass(frozen=True)
class EntitySchema:
    """One kind of entity. `name` is Kong's plural, `key` the field that may stand for the id in a path."""

    name: str
    record: Record
    key: str | None
    checks: Sequence[EntityCheck] = field(default_factory=tuple)

    @property
    def foreign(self) -> dict[str, Foreign]:
        """The fields that are other entities."""
        return {name: part for name, part in self.record.fields.items() if isinstance(part, Foreign)}

    def read(self, document: Mapping[str, Any]) -> dict[str, Any]:
        """Return the document with every field present and checked.

        Raises:
            SchemaViolation: with every fault that there is.
        """
        try:
            result = self.record.read(document)
        except Violation as violation:
            raise SchemaViolation.of(violation.problem) from violation
        problems: dict[str, Problem] = {}
        for check in self.checks:
            for name, problem in (check.test(result) or {}).items():
                if name == "@entity":
                    problems[name] = [*problems.get(name, ()), *problem]
                else:
                    problems[name] = problem
        if problems:
            raise SchemaViolation(problems)
        return result

    def attributes(self, values: Mapping[str, Any]) -> dict[str, Any]:
        """Turn a checked document into a model's arguments: ids, instants and tuples instead of JSON."""
        result: dict[str, Any] = {}
        for name, part in self.record.fields.items():
            if part.unsupported is None:
                attribute = f"{name}_id" if isinstance(part, Foreign) else name
                result[attribute] = _attribute(part, values[name])
        return result

    def document(self, entity: Any) -> dict[str, Any]:
        """Turn a model into the document that describes it, every field present, as Kong's API shows it."""
        result: dict[str, Any] = {}
        for name, part in self.record.fields.items():
            if part.unsupported is not None:
                result[name] = None
            elif isinstance(part, Foreign):
                reference = getattr(entity, f"{name}_id")
                result[name] = None if reference is None else {"id": str(reference)}
            else:
                result[name] = _json(getattr(entity, name))
        return result


def _attribute(part: Field, value: Any) -> Any:
    if value is None:
        return None
    if isinstance(part, Foreign):
        return UUID(value["id"])
    if isinstance(part, Integer) and part.timestamp:
        return datetime.fromtimestamp(value, UTC)
    if getattr(part, "uuid", False):
        return UUID(value)
    return tuple(value) if isinstance(value, list) else value


def _json(value: Any) -> Any:
    if isinstance(value, UUID):
        return str(value)
    if isinstance(value, datetime):
        return int(value.timestamp())
    return list(value) if isinstance(value, tuple) else value
