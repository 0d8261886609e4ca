"""JSON values as a language's literals: what languages share of laying them out."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

__all__ = ["Notation"]

_SHORT_MAPPING, _SHORT_LIST = 90, 80
"""What fits into one line. Of a mapping that is one pair at most."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Notation:
    """How a language writes: `padding` stands within the braces of a mapping on one line.

    `text` writes a text, `name` a mapping's key, `rest` numbers, truths, nothing and what is empty.
    """

    indent: str
    padding: str
    text: Callable[[str], str]
    name: Callable[[str], str]
    rest: Callable[[object], str]

    def literal(self, value: object, depth: int = 0) -> str:
        """Write a value, inner ones on lines of their own where there are several."""
        if isinstance(value, str):
            return self.text(value)
        if isinstance(value, dict) and value:
            rows = [f"{self.name(name)}: {self.literal(held, depth + 1)}" for name, held in value.items()]
            short = "{" + self.padding + ", ".join(rows) + self.padding + "}"
            fits = len(rows) == 1 and self._fits(short, depth, _SHORT_MAPPING)
            return short if fits else self._lines("{", rows, "}", depth)
        if isinstance(value, list) and value:
            rows = [self.literal(held, depth + 1) for held in value]
            short = "[" + ", ".join(rows) + "]"
            return short if self._fits(short, depth, _SHORT_LIST) else self._lines("[", rows, "]", depth)
        return self.rest(value)

    def _fits(self, short: str, depth: int, width: int) -> bool:
        return len(short) + len(self.indent) * depth < width and "\n" not in short

    def _lines(self, begin: str, rows: list[str], end: str, depth: int) -> str:
        inner = self.indent * (depth + 1)
        return f"{begin}\n" + "".join(f"{inner}{row},\n" for row in rows) + self.indent * depth + end
