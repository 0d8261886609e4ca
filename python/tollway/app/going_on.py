"""What goes on by itself goes on: a failure is said, the next look tries again, and no thread ends of it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import structlog
from sqlalchemy.exc import SQLAlchemyError

from tollway.kernel.errors import TollwayError

__all__ = ["EXPECTED", "told"]

EXPECTED = (TollwayError, SQLAlchemyError, TimeoutError)
"""What a sound program meets: a provider, a database or another writer in the way. One line tells it."""

log = structlog.get_logger()


@contextmanager
def told(event: str, **about: str) -> Iterator[None]:
    """Say it if the block fails, and go on behind it.

    What nobody expected comes with its traceback. It may not end the thread either: usage would no longer be
    counted, or money no longer be collected, and nobody would know.
    """
    try:
        yield
    except EXPECTED as error:
        log.error(event, error=str(error), **about)  # noqa: TRY400  # one line
    except Exception:
        log.exception(event, **about)
