"""Makes a mail from its template: `Subject: …` in the first line, then the text, paragraph by paragraph.

The HTML says the same: a paragraph that is nothing but a link becomes a button-like link, other links stay
links. So there is one text to write and to check, and both forms of a mail say the same.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from jinja2 import ChoiceLoader, Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup, escape

from tollway.web.ui.brand import Brand
from tollway.web.ui.formats import moment_text

__all__ = ["Composer", "MailText"]

_TEMPLATES = Path(__file__).parent / "templates"
_LINK = re.compile(r"https?://[^\s<>\"]+[^\s<>\".,;:!?)]")
_LONGEST_SUBJECT = 150


@dataclass(frozen=True, slots=True)
class MailText:
    """A mail without its addresses."""

    subject: str
    text: str = field(repr=False)
    html: str = field(repr=False)


class Composer:
    """Composes mails in a seller's name. Templates in `folders` win over ours of the same name."""

    def __init__(self, brand: Brand, folders: Sequence[Path] = ()) -> None:
        self._environment = Environment(
            loader=ChoiceLoader([FileSystemLoader(folder) for folder in (*folders, _TEMPLATES)]),
            autoescape=False,  # noqa: S701  # plain text; the HTML is escaped when it is made of it
            undefined=StrictUndefined,
            trim_blocks=True,
            lstrip_blocks=True,
        )
        self._environment.globals.update(brand=brand)
        self._environment.filters.update(moment=moment_text, line=_one_line)
        self._brand = brand

    def compose(self, template: str, **values: Any) -> MailText:
        """Return the mail of `templates/TEMPLATE.txt`."""
        text = self._environment.get_template(f"{template}.txt").render(values)
        head, _, body = text.partition("\n")
        subject = _one_line(head.removeprefix("Subject:"))[:_LONGEST_SUBJECT]
        paragraphs = [part.strip() for part in re.split(r"\n{2,}", body) if part.strip()]
        return MailText(subject, "\n\n".join(paragraphs) + "\n", self._html(subject, paragraphs))

    def _html(self, subject: str, paragraphs: Sequence[str]) -> str:
        body = Markup("\n").join(_paragraph(paragraph) for paragraph in paragraphs)
        return Markup(
            '<!doctype html><html lang="{}"><head><meta charset="utf-8"><title>{}</title></head>'
            '<body style="margin:0;padding:24px;font:16px/1.5 sans-serif;color:#191a17;background:#fff">'
            '<div style="max-width:36em">\n{}\n</div></body></html>\n'
        ).format(self._brand.language, subject, body)


def _paragraph(text: str) -> Markup:
    if _LINK.fullmatch(text):
        style = "display:inline-block;padding:10px 16px;background:#0d6276;color:#fff;border-radius:5px"
        return Markup('<p><a style="{}" href="{}">{}</a></p>').format(style, text, text)
    parts, position = [], 0
    for found in _LINK.finditer(text):
        parts += [escape(text[position : found.start()]), Markup('<a href="{0}">{0}</a>').format(found[0])]
        position = found.end()
    parts.append(escape(text[position:]))
    return Markup("<p>{}</p>").format(Markup().join(parts).replace("\n", Markup("<br>\n")))


def _one_line(text: str) -> str:
    """Return a text without line breaks: in a subject, they would be headers of a stranger's making."""
    return " ".join(str(text).split())
