"""How a fault in a document is told: a tree of the document's own shape, with a sentence at each fault."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TypeAlias

__all__ = ["Problem", "Violation", "flatten"]

Problem: TypeAlias = "str | Mapping[str, Problem] | Sequence[Problem | None]"
"""A sentence, or problems by field name, or by position (None where that element is fine)."""


class Violation(Exception):  # never leaves this package: it becomes a SchemaViolation
    """A value is not what its field wants."""

    def __init__(self, problem: Problem) -> None:
        super().__init__(str(problem))
        self.problem = problem


def flatten(problem: Problem, path: str = "") -> list[tuple[str, str]]:
    """Return (path, sentence) of every fault: `@entity` first, then by name; positions count from 1."""
    if isinstance(problem, str):
        return [(path, problem)]
    faults: list[tuple[str, str]] = []
    if isinstance(problem, Mapping):
        for name in sorted(problem, key=lambda name: (name != "@entity", name)):
            if name == "@entity":
                faults += [("", sentence) for _, sentence in flatten(problem[name])]
            else:
                faults += flatten(problem[name], f"{path}.{name}" if path else name)
    else:
        for position, part in enumerate(problem, start=1):
            if part is not None:
                faults += flatten(part, f"{path}.{position}" if path else str(position))
    return faults
