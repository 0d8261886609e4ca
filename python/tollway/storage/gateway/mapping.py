"""Rows to entities and back."""

from __future__ import annotations

from dataclasses import fields
from typing import Any, TypeVar

from sqlalchemy import RowMapping

from tollway.gateway.models import (
    Acl,
    Attribution,
    Consumer,
    ConsumerGroup,
    KeyAuth,
    Plugin,
    Route,
    Service,
)
from tollway.kernel.mode import Mode

__all__ = ["entity", "row"]

M = TypeVar("M", Acl, Consumer, ConsumerGroup, KeyAuth, Plugin, Route, Service)

_NAMES = {
    model: tuple(field.name for field in fields(model))
    for model in (Acl, Consumer, ConsumerGroup, KeyAuth, Plugin, Route, Service)
}


def entity(model: type[M], columns: RowMapping) -> M:
    """Make the entity that a row holds; JSON lists become tuples."""
    values: dict[str, Any] = {}
    for name in _NAMES[model]:
        if name == "attribution":
            values[name] = Attribution(
                customer_id=columns["customer_id"],
                phase_id=columns["phase_id"],
                mode=Mode(columns["mode"]),
            )
        else:
            value = columns[name]
            values[name] = tuple(value) if type(value) is list else value
    return model(**values)


def row(subject: M) -> dict[str, Any]:
    """Make the row that holds an entity."""
    values: dict[str, Any] = {}
    for name in _NAMES[type(subject)]:
        value = getattr(subject, name)
        if isinstance(value, Attribution):
            values["customer_id"] = value.customer_id
            values["phase_id"] = value.phase_id
            values["mode"] = value.mode.value
        else:
            values[name] = value
    if isinstance(subject, Plugin):
        values["scope"] = subject.scope
    return values
