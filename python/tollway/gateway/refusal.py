"""The engine's refusals in the form of schema violations, so that they read like any other fault.

`routes[2].paths[0]` in the configuration is `paths.1` to whoever sent the route. It is nearly always the
entity that was just sent: all others were compiled when they were stored.
"""

from __future__ import annotations

import re
from collections.abc import Callable

from tollway.gateway.errors import SchemaViolation
from tollway.gateway.schema.violation import Problem
from tollway.kernel.errors import InvalidInput

__all__ = ["judge"]

_OUTER = re.compile(r"(?:[a-z_]*\[\d+\]\.?|plugin [^ ]+ ?)")
_STEP = re.compile(r"\.?([^.\[\]]+)|\[(\d+)\]")


def judge(compile_: Callable[[], None]) -> None:
    """Let the engine compile something.

    Raises:
        SchemaViolation: it refused; the violation says what it said.
    """
    try:
        compile_()
    except InvalidInput as refusal:
        raise _as_violation(refusal) from refusal


def _as_violation(refusal: InvalidInput) -> SchemaViolation:
    problem: Problem = refusal.problem + (f"; {refusal.fix}" if refusal.fix else "")
    inner = _OUTER.sub("", refusal.location, count=1) if _OUTER.match(refusal.location) else refusal.location
    for match in reversed(list(_STEP.finditer(inner))):
        problem = {match[1]: problem} if match[1] else [*[None] * int(match[2]), problem]
    return SchemaViolation.of(problem)
