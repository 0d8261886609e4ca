"""Colours for code: a handful of patterns, enough for samples and JSON. What matches none stays as it is."""

from __future__ import annotations

import re
from html import escape

from markupsafe import Markup

__all__ = ["highlight", "highlighted"]

_LONGEST = 100_000
# One that has no end goes to the end of its line, and nothing is tried twice: with a string that may fail
# there, an answer made of quotes would take minutes.
_STRING = r'(?>"(?:[^"\\\n]|\\.)*+"?)'
_NUMBER = r"(?<![\w.])-?[0-9]+(?:\.[0-9]+)?(?:[eE][-+]?[0-9]+)?(?![\w.])"
_PATTERNS = {
    "json": re.compile(
        rf"(?P<k>{_STRING})(?=\s*:)|(?P<s>{_STRING})|(?P<n>{_NUMBER}|\b(?:true|false|null)\b)"
    ),
    "curl": re.compile(r"""(?P<s>'[^']*'|"[^"]*")|(?P<k>^curl\b)""", re.MULTILINE),
    "python": re.compile(
        rf"(?P<s>{_STRING}|'[^'\n]*')|(?P<c>\#[^\n]*)"
        r"|(?P<k>\b(?:import|from|print|for|in|if|else|return|def|as|with|while|None|True|False)\b)"
        rf"|(?P<n>{_NUMBER})"
    ),
    "javascript": re.compile(
        rf"(?P<s>{_STRING}|'[^'\n]*')|(?P<c>//[^\n]*)"
        r"|(?P<k>\b(?:const|let|await|async|function|return|if|else|for|of|new|null|true|false|import|from)\b)"
        rf"|(?P<n>{_NUMBER})"
    ),
    "http": re.compile(r"(?P<k>^[\w-]+)(?=:)", re.MULTILINE),
}
_ALIASES = {
    "bash": "curl",
    "sh": "curl",
    "shell": "curl",
    "console": "curl",
    "py": "python",
    "js": "javascript",
}


def highlighted(code: str, language: str) -> str:
    """Return code as escaped HTML with `<span class="k|s|n|c">` around keywords, texts, numbers, comments."""
    name = language.lower()
    pattern = _PATTERNS.get(_ALIASES.get(name, name))
    if pattern is None or len(code) > _LONGEST:
        return escape(code)
    pieces: list[str] = []
    end = 0
    for found in pattern.finditer(code):
        pieces.append(escape(code[end : found.start()]))
        pieces.append(f'<span class="{found.lastgroup}">{escape(found[0])}</span>')
        end = found.end()
    pieces.append(escape(code[end:]))
    return "".join(pieces)


def highlight(code: str, language: str) -> Markup:
    """Return the same, ready for a template."""
    return Markup(highlighted(code, language))  # noqa: S704  # every piece was escaped
