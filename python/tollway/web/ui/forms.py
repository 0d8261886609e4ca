"""What a reader typed: kept for the page that comes back, with what is wrong beside each field."""

from __future__ import annotations

import unicodedata
from collections.abc import Sequence

from email_validator import EmailNotValidError, validate_email
from starlette.datastructures import FormData
from starlette.requests import Request

from tollway.kernel.errors import InvalidInput

__all__ = ["Form"]

_LONGEST = 50_000


class Form:
    """A form's fields as they were posted; empty where the page is only looked at.

        form = Form(request)
        name = form.text("name", longest=100)
        if form.ok:
            ...
        return site.render(request, "page.html", status=form.status, form=form)

    Each reader returns a value that can be used, and notes what is wrong in `errors`, by field. Without a
    request it is as nobody touched it: for the other form of a page where one was sent.
    """

    def __init__(self, request: Request | None, **initial: str) -> None:
        posted: FormData | None = None if request is None else getattr(request.state, "form", None)
        self._posted = posted
        self._initial = initial
        self.errors: dict[str, str] = {}

    @property
    def ok(self) -> bool:
        """Whether nothing that was read so far is wrong."""
        return not self.errors

    @property
    def status(self) -> int:
        """The status of a page that shows this form: 422 where something is wrong."""
        return 200 if self.ok else 422

    def value(self, name: str) -> str:
        """Return what is to stand in the field: what was typed, or else the initial value."""
        if self._posted is None:
            return self._initial.get(name, "")
        posted = self._posted.get(name)
        return posted[:_LONGEST] if isinstance(posted, str) else ""

    def values(self, name: str) -> Sequence[str]:
        """Return every value of a field that may come several times."""
        if self._posted is None:
            return ()
        return [value for value in self._posted.getlist(name) if isinstance(value, str)]

    def error(self, name: str) -> str | None:
        """Return what is wrong with a field."""
        return self.errors.get(name)

    def fail(self, name: str, problem: str) -> None:
        """Note what is wrong with a field; the first fault of each stays."""
        self.errors.setdefault(name, problem)

    def fault(self, error: InvalidInput, name: str | None = None) -> None:
        """Note a fault that a use case found; `name` where the field is called otherwise than its input."""
        problem = error.problem + (f"; {error.fix}" if error.fix else "")
        self.fail(name or error.location, problem[:1].upper() + problem[1:])

    def text(self, name: str, *, longest: int, required: bool = True, lines: bool = False) -> str:
        """Return a text without the space around it and without control characters.

        `lines` lets it have several lines.
        """
        raw = self.value(name).replace("\r\n", "\n").strip()
        kept = "".join(c for c in raw if unicodedata.category(c) not in {"Cc", "Cs"} or (lines and c == "\n"))
        text = unicodedata.normalize("NFC", kept)
        if required and not text:
            self.fail(name, "Fill this in.")
        elif len(text) > longest:
            self.fail(name, f"At most {longest:,} characters; these are {len(text):,}.")
        return text[:longest]

    def secret(self, name: str) -> str:
        """Return a password exactly as it was typed."""
        posted = None if self._posted is None else self._posted.get(name)
        text = posted if isinstance(posted, str) else ""
        if not text:
            self.fail(name, "Fill this in.")
        return text

    def email(self, name: str) -> str:
        """Return an e-mail address in its usual spelling."""
        text = self.text(name, longest=254)
        if not text:
            return ""
        try:
            return validate_email(text, check_deliverability=False, test_environment=True).normalized
        except EmailNotValidError:
            self.fail(name, "This is no e-mail address; write it like ana@example.com.")
            return text

    def choice(self, name: str, options: Sequence[str]) -> str:
        """Return one of the options; the first where something else was sent."""
        text = self.value(name)
        if text not in options:
            self.fail(name, "Choose one of these.")
            return options[0] if options else ""
        return text

    def whole(self, name: str, *, least: int, most: int) -> int:
        """Return a whole number within bounds."""
        text = self.value(name).strip()
        if text.isascii() and text.isdigit() and len(text) < 12 and least <= int(text) <= most:
            return int(text)
        self.fail(name, f"Write a whole number from {least:,} to {most:,}.")
        return least

    def checked(self, name: str) -> bool:
        """Return whether a box is ticked."""
        return bool(self.value(name))
