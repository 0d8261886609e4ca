"""Markdown: what sellers need of it, and nothing that acts."""

from __future__ import annotations

import re
from html import unescape

import pytest

from tollway.web.portal.content.markdown import Heading, markdown_inline, markdown_page, markdown_text
from tollway.web.ui.highlight import highlighted

pytestmark = pytest.mark.one_database

_KNOWN = {
    "p",
    "h2",
    "h3",
    "h4",
    "div",
    "pre",
    "code",
    "span",
    "a",
    "table",
    "thead",
    "tbody",
    "tr",
    "th",
    "td",
}


def test_page_has_anchors_tables_and_coloured_code() -> None:
    page = markdown_page('# A\n\n## A\n\n|a|b|\n|-|-:|\n|1|2|\n\n```json\n{"a": 1}\n```\n\n```\n<b>\n```')
    assert page.headings == (Heading(2, "A", "a"), Heading(2, "A", "a-2"))
    assert '<h2 id="a">A</h2>' in page.html
    assert '<th scope="col" class="n">b</th>' in page.html
    assert '<span class="k">"a"</span>' in page.html
    assert "&lt;b&gt;" in page.html
    assert "style=" not in page.html


@pytest.mark.parametrize(
    "hostile",
    [
        "<script>alert(1)</script>",
        "<img src=x onerror=alert(1)>",
        "![a](https://evil.example/pixel.png)",
        "[a](javascript:alert(1))",
        "[a](  JaVaScRiPt:alert(1))",
        "[a](data:text/html,<script>alert(1)</script>)",
        "[a](vbscript:x)",
        "<javascript:alert(1)>",
        "# <svg onload=alert(1)>",
        "## a {onclick=alert(1)}",
        "`<script>`",
        '```"><script>alert(1)</script>\nx\n```',
        "```html\n<script>alert(1)</script>\n```",
        "|<img src=x onerror=1>|\n|-|\n|<b onclick=1>|",
        '[a](/x "\\" onmouseover=alert(1) ")',
        "<!-- --><style>*{display:none}</style>",
        "<iframe src=//evil.example>",
        "<a href=x id=main>",
    ],
)
def test_nothing_in_it_acts(hostile: str) -> None:
    for html in (str(markdown_page(hostile).html), str(markdown_text(hostile))):
        tags = re.findall(r"<([a-z0-9]+)([^>]*)>", html)
        assert {name for name, _ in tags} <= _KNOWN
        for _, attributes in tags:
            names = set(re.findall(r'(\w+)="', attributes))
            assert names <= {"href", "rel", "class", "tabindex", "id", "scope", "title"}
            assert not re.search(r'href="(?!https?:|mailto:|/)', attributes)


def test_deep_nesting_ends() -> None:
    for piece in (">", "- ", "[", "*", "![", "`", "|", "&"):
        assert len(markdown_page(piece * 20_000).html) < 2_000_000


def test_inline_is_words() -> None:
    assert markdown_inline("A *b* `c` <i>d</i>\ne\n\nsecond") == "A b c <i>d</i> e"


@pytest.mark.parametrize("language", ["json", "curl", "python", "javascript", "http", "none", ""])
def test_highlighted_code_is_escaped_whole(language: str) -> None:
    code = """"<script>" '</span>' # <b> // <i> 1 "a": <u>&"""
    html = highlighted(code, language)
    assert set(re.findall(r"<[^>]*>", html)) <= {f'<span class="{name}">' for name in "ksnc"} | {"</span>"}


@pytest.mark.parametrize("language", ["json", "curl", "python", "javascript", "http"])
@pytest.mark.parametrize("piece", ['"\\', "'\\", '"', "'", '"a\n', "1", "-1", "a-"])
def test_an_answer_made_to_take_long_takes_no_time(language: str, piece: str) -> None:
    code = piece * 30_000  # two minutes where each quote is tried to the end
    assert unescape(re.sub("<[^>]*>", "", highlighted(code, language))) == code


def test_names_and_texts_are_told_apart_with_an_end_or_without() -> None:
    assert highlighted('{"a:b": "c:d", "e', "json") == (
        '{<span class="k">&quot;a:b&quot;</span>: <span class="s">&quot;c:d&quot;</span>, '
        '<span class="s">&quot;e</span>'
    )
