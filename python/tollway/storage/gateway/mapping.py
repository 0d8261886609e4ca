"""Rows to entities and back."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import fields
from typing import Any, TypeAlias, TypeVar

from sqlalchemy import RowMapping

from tollway.gateway.models import (
    Acl,
    Attribution,
    CaCertificate,
    Certificate,
    Consumer,
    ConsumerGroup,
    KeyAuth,
    Plugin,
    Route,
    Service,
    Sni,
    Target,
    Upstream,
)
from tollway.kernel.mode import Mode

__all__ = ["Columns", "M", "entity", "row"]

Columns: TypeAlias = RowMapping | Mapping[str, Any]
"""A row as it was read, or one with more to it."""

M = TypeVar(
    "M",
    Acl,
    CaCertificate,
    Certificate,
    Consumer,
    ConsumerGroup,
    KeyAuth,
    Plugin,
    Route,
    Service,
    Sni,
    Target,
    Upstream,
)

_NAMES: dict[type[Any], tuple[str, ...]] = {
    model: tuple(field.name for field in fields(model)) for model in M.__constraints__
}


def entity(model: type[M], columns: Columns) -> M:
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
    if isinstance(subject, Certificate):
        del values["snis"]  # rows of their own
    if isinstance(subject, Plugin):
        values["scope"] = subject.scope
    return values
