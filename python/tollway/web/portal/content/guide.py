"""Reading a guide: Markdown, with a title and an order at its top between two lines of `---`."""

from __future__ import annotations

import re
from pathlib import Path

from tollway.catalog.document import read_document
from tollway.catalog.errors import CatalogFaults
from tollway.catalog.fields import Faults, Fields
from tollway.kernel.errors import InvalidInput
from tollway.web.openapi.naming import slug_of
from tollway.web.portal.content.markdown import markdown_inline
from tollway.web.portal.content.model import Guide

__all__ = ["read_guide"]

_LARGEST = 512 * 1024
_LAST = 1_000
_FRONT = re.compile(r"---[ \t]*\n(.*?)^---[ \t]*$\n?", re.DOTALL | re.MULTILINE)
_HEADING = re.compile(r"\s*#[ \t]+([^\n]+?)[ \t#]*(?:\n|$)")


def read_guide(path: Path) -> Guide:
    """Read a guide. Without a title of its own, its first heading is one, then its file's name.

    Raises:
        InvalidInput: names the line and what is wrong; `CatalogFaults` where it is several things.
    """
    source = f"guides/{path.name}"
    slug = slug_of(path.stem)
    if not slug:
        raise InvalidInput(source, "no Latin letter or digit in its name", "name it getting-started.md, say")
    try:
        raw = path.read_bytes()
    except OSError as error:
        raise InvalidInput(source, error.strerror or "can't be read", "check its rights") from None
    if len(raw) > _LARGEST:
        raise InvalidInput(source, f"more than {_LARGEST} bytes", "split the guide")
    try:
        text = raw.decode("utf-8-sig").replace("\r\n", "\n")
    except UnicodeDecodeError as error:
        line = raw.count(b"\n", 0, error.start) + 1
        raise InvalidInput(f"{source}:{line}", "not UTF-8 text", "save the file as UTF-8") from None
    title, order, body = "", 100, text
    front = _FRONT.match(text)
    if front:
        title, order = _front(front[1], source)
        body = text[front.end() :]
    elif text.startswith("---\n"):
        raise InvalidInput(f"{source}:1", "the front matter has no end", "write --- below it")
    heading = _HEADING.match(body)
    if heading and (not title or heading[1].strip() == title):
        title = title or markdown_inline(heading[1])
        body = body[heading.end() :]
    return Guide(slug, title or path.stem, order, body.strip() + "\n")


def _front(written: str, source: str) -> tuple[str, int]:
    # The line above, so that lines are counted as the file has them.
    document = read_document(f"\n{written}".encode(), source)
    if document.content is None:
        return "", 100
    faults = Faults(document.location, document.faults)
    fields = Fields(document.content, (), faults)
    title = fields.name("title") if fields.has("title") else ""
    order = fields.whole("order", least=0, most=_LAST) if fields.has("order") else 100
    fields.close()
    if len(faults):
        raise CatalogFaults(faults.found)
    return title, order
