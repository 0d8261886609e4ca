"""Markdown that strangers wrote, as HTML that can do nothing but be read."""

from __future__ import annotations

from functools import cache

import nh3
from markdown_it import MarkdownIt
from markupsafe import Markup

__all__ = ["message_html"]

# No images: one would tell another host who reads. No headings: a message has none of the page's outline.
_TAGS = {"p", "br", "em", "strong", "s", "code", "pre", "blockquote", "ul", "ol", "li", "a", "hr"}
_ATTRIBUTES: dict[str, set[str]] = {"a": {"href"}, "ol": {"start"}, "*": set()}
_SCHEMES = {"http", "https", "mailto"}


def message_html(text: str) -> Markup:
    r"""Return a message's Markdown as HTML: no tag of its author's, no image, no script, links unfollowed.

    >>> message_html("*No* <b>HTML</b>")
    Markup('<p><em>No</em> &lt;b&gt;HTML&lt;/b&gt;</p>\n')
    """
    rendered = _parser().render(text)
    clean = nh3.clean(
        rendered,
        tags=_TAGS,
        attributes=_ATTRIBUTES,
        url_schemes=_SCHEMES,
        link_rel="nofollow ugc noopener noreferrer",
        clean_content_tags={"script", "style"},
    )
    return Markup(clean)  # noqa: S704  # the one purpose of nh3


@cache
def _parser() -> MarkdownIt:
    # "js-default" is CommonMark without HTML; people expect their line breaks to stay.
    # Every opening bracket is looked into as deep as things may nest: 20,000 of them must not take seconds.
    options = {"breaks": True, "html": False, "maxNesting": 20}
    return MarkdownIt("js-default", options).disable(["image", "table", "heading"])
