"""Logs: one line an event on standard error; readable on a terminal, JSON elsewhere."""

from __future__ import annotations

import logging
import sys
from typing import Any

import structlog

__all__ = ["configure_logging"]


def configure_logging(role: str) -> None:
    """Set up structlog for this process; `role` is in every line."""
    terminal = sys.stderr.isatty()
    renderer: structlog.typing.Processor = (
        structlog.dev.ConsoleRenderer() if terminal else structlog.processors.JSONRenderer()
    )
    structlog.configure(
        processors=[
            _name_process(role),
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            structlog.processors.format_exc_info,
            renderer,
        ],
        wrapper_class=structlog.make_filtering_bound_logger(logging.INFO),
        # Looked up for each line: tests, and whoever runs a command inside a program, exchange the stream.
        logger_factory=lambda *_: structlog.WriteLogger(sys.stderr),
    )


def _name_process(role: str) -> structlog.typing.Processor:
    # A context variable would not do: threads start with an empty context.
    def add(_logger: Any, _method: str, event: structlog.typing.EventDict) -> structlog.typing.EventDict:
        event["process"] = role
        return event

    return add
