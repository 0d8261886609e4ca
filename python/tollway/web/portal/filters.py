"""What the portal's templates write beside the usual: Markdown, code, examples."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Any

from tollway.web.openapi.call import wire_texts
from tollway.web.portal.content.markdown import markdown_text
from tollway.web.ui.highlight import highlight

__all__ = ["FILTERS"]


def wire(value: object) -> str:
    """Write an example as it is typed into a form: the items of a list between commas."""
    return ",".join(wire_texts(value))


FILTERS: Mapping[str, Callable[..., Any]] = MappingProxyType(
    {"markdown": markdown_text, "code": highlight, "wire": wire}
)
"""What templates call them by."""
