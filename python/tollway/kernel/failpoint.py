"""Places at which a test makes the process die, to prove that nothing is lost or doubled there.

`TOLLWAY_FAILPOINT=NAME` kills this process with SIGKILL when it first reaches the place of that name,
`NAME:3` at the third time. Unset, a failpoint costs one look-up in a dictionary.
"""

from __future__ import annotations

import os
import signal

__all__ = ["failpoint"]

_VARIABLE = "TOLLWAY_FAILPOINT"
_passed: dict[str, int] = {}


def failpoint(name: str) -> None:
    """Die here if the environment asks for it."""
    wanted = os.environ.get(_VARIABLE)
    if wanted is None:
        return
    place, _, count = wanted.partition(":")
    if place != name:
        return
    _passed[name] = _passed.get(name, 0) + 1
    if _passed[name] == int(count or "1"):
        os.kill(os.getpid(), signal.SIGKILL)
