"""Markdown to HTML. Raw HTML in it is shown as text, and what comes out is sanitised all the same.

Both guides and the descriptions of an OpenAPI file go through here: sellers write them, but not always by
their own hand.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from html import escape

import nh3
from markdown_it import MarkdownIt
from markdown_it.renderer import RendererHTML
from markdown_it.token import Token
from markdown_it.utils import EnvType, OptionsDict
from markupsafe import Markup

from tollway.web.openapi.naming import slug_of
from tollway.web.ui.highlight import highlighted

__all__ = ["Heading", "Page", "markdown_inline", "markdown_page", "markdown_text"]

_LONGEST = 512 * 1024
_CACHED = 64_000
_SCHEMES = {"http", "https", "mailto"}
_TAGS = {
    "a", "b", "blockquote", "br", "code", "dd", "del", "div", "dl", "dt", "em", "h2", "h3", "h4", "h5", "h6",
    "hr", "i", "li", "ol", "p", "pre", "s", "span", "strong", "table", "tbody",
    "td", "th", "thead", "tr", "ul",
}  # fmt: skip
_ATTRIBUTES: dict[str, set[str]] = {
    "a": {"href", "title"},
    "code": {"class"},
    "div": {"class", "tabindex"},
    "ol": {"start"},
    "pre": {"tabindex"},
    "span": {"class"},
    "table": {"class"},
    "td": {"class"},
    "th": {"class", "scope"},
    **{f"h{level}": {"id"} for level in range(2, 7)},
}


@dataclass(frozen=True, slots=True)
class Heading:
    """A heading and its anchor; `level` 2 to 6."""

    level: int
    text: str
    anchor: str


@dataclass(frozen=True, slots=True)
class Page:
    """A rendered page and its table of contents."""

    html: Markup
    headings: tuple[Heading, ...]


class _Renderer(RendererHTML):
    """Code with its colours, pictures as their description (nothing is fetched), tables that scroll."""

    def fence(self, tokens: Sequence[Token], idx: int, _options: OptionsDict, _env: EnvType) -> str:
        token = tokens[idx]
        language = token.info.split()[0] if token.info.split() else ""
        code = highlighted(token.content.rstrip("\n"), language)
        return f'<div class="code"><pre tabindex="0"><code>{code}</code></pre></div>\n'

    def code_block(self, tokens: Sequence[Token], idx: int, options: OptionsDict, env: EnvType) -> str:
        return self.fence(tokens, idx, options, env)

    def image(self, tokens: Sequence[Token], idx: int, _options: OptionsDict, _env: EnvType) -> str:
        return escape(tokens[idx].content)

    def table_open(self, *_: object) -> str:
        return '<div class="scroll" tabindex="0"><table class="table">'

    def table_close(self, *_: object) -> str:
        return "</table></div>\n"


_parser = MarkdownIt("commonmark", {"html": False, "maxNesting": 20}, renderer_cls=_Renderer).enable(
    ["table", "strikethrough"]
)


def markdown_page(text: str) -> Page:
    """Render a page. Its headings begin at level 2, whatever they were: the page has a title of its own."""
    tokens = _parser.parse(text[:_LONGEST])
    headings = list(_anchored(tokens))
    html = _parser.renderer.render(tokens, _parser.options, {})
    return Page(_clean(html), tuple(headings))


def markdown_text(text: str) -> Markup:
    """Render a description: no anchors, headings from level 3 on."""
    return _rendered(text) if len(text) <= _CACHED else _render_text(text[:_LONGEST])


@lru_cache(2048)
def _rendered(text: str) -> Markup:
    return _render_text(text)


def _render_text(text: str) -> Markup:
    tokens = _parser.parse(text)
    for token in tokens:
        if token.type in {"heading_open", "heading_close"}:
            token.tag = f"h{min(6, int(token.tag[1]) + 2)}"
        _aligned(token)
    return _clean(_parser.renderer.render(tokens, _parser.options, {}))


def markdown_inline(text: str) -> str:
    """Return the first paragraph's words without any marks, for titles and lists."""
    first = re.split(r"\n\s*\n", text.strip()[:2_000], maxsplit=1)[0]
    tokens = _parser.parseInline(first)
    words = "".join(
        child.content if child.type in {"text", "code_inline"} else " "
        for token in tokens
        for child in token.children or ()
        if child.type in {"text", "code_inline", "softbreak", "hardbreak"}
    )
    return " ".join(words.split())


def _anchored(tokens: Sequence[Token]) -> Sequence[Heading]:
    found: list[Heading] = []
    taken: set[str] = set()
    for index, token in enumerate(tokens):
        _aligned(token)
        if token.type not in {"heading_open", "heading_close"}:
            continue
        level = max(2, int(token.tag[1]))
        token.tag = f"h{level}"
        if token.type == "heading_open":
            words = markdown_inline(tokens[index + 1].content)
            anchor = base = slug_of(words) or "section"
            number = 1
            while anchor in taken:
                number += 1
                anchor = f"{base}-{number}"
            taken.add(anchor)
            token.attrSet("id", anchor)
            found.append(Heading(level, words, anchor))
    return found


def _aligned(token: Token) -> None:
    """Say by a class what the parser says by a style, which the pages' policy doesn't allow."""
    if token.type in {"td_open", "th_open"}:
        style = token.attrs.pop("style", "")
        if token.type == "th_open":
            token.attrSet("scope", "col")
        if "right" in str(style):
            token.attrSet("class", "n")


def _clean(html: str) -> Markup:
    cleaned = nh3.clean(
        html,
        tags=_TAGS,
        attributes=_ATTRIBUTES,
        url_schemes=_SCHEMES,
        link_rel="noopener",
        strip_comments=True,
    )
    return Markup(cleaned)  # noqa: S704  # nh3 has just made sure
