"""Markdown of strangers: it reads well and does nothing else."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tollway.web.ui.markdown import message_html


def test_what_people_write_is_shown_as_they_mean_it() -> None:
    html = message_html("I call *this*:\n\n```\nGET /v1/<b>\n```\n\n- one\n- two\n\nline\nbreak")
    assert "<em>this</em>" in html
    assert "<pre><code>GET /v1/&lt;b&gt;" in html
    assert html.count("<li>") == 2
    assert "line<br>" in html


@pytest.mark.parametrize(
    "text",
    [
        "<script>alert(1)</script>",
        "<img src=x onerror=alert(1)>",
        "![seen](https://tracker.example/p.png)",
        "[x](javascript:alert(1))",
        "[x](data:text/html,<script>)",
        '[x](https://a.example "onmouseover=alert(1)")',
        "<a href='https://a.example' style='position:fixed'>x</a>",
        "<iframe src=//e.example></iframe><svg/onload=alert(1)>",
        "[x](vbscript:msgbox)",
        "&#x3c;script&#x3e;",
    ],
)
def test_hostile_markdown_is_harmless(text: str) -> None:
    _assert_harmless(message_html(text))


@given(st.text(alphabet="<>&\"'()[]!*_`#:/\\ \n ajsxcriptonhe=.", max_size=200))
def test_no_text_makes_a_tag_that_acts(text: str) -> None:
    _assert_harmless(message_html(text))


def test_links_leave_no_trace_of_the_reader() -> None:
    assert 'rel="nofollow ugc noopener noreferrer"' in message_html("[x](https://a.example)")


def _assert_harmless(html: str) -> None:
    allowed = {"p", "br", "em", "strong", "s", "code", "pre", "blockquote", "ul", "ol", "li", "a", "hr"}
    for tag, attributes in re.findall(r"<\s*/?\s*([A-Za-z][^\s/>]*)([^>]*)>", html):
        assert tag in allowed
        names = set(re.findall(r'([a-z-]+)="', attributes))
        assert names <= {"href", "rel", "start"}
    assert not re.search(r'href="(?!https?:|mailto:|/|[^:"]*")', html)
