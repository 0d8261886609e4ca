"""Names in addresses: `lookUpCities` is at `/reference/look-up-cities`."""

from __future__ import annotations

import re
import unicodedata

__all__ = ["Slugs", "slug_of"]

_LONGEST = 80
_WORD_BORDER = re.compile(r"(?<=[a-z0-9])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])")
_OTHER = re.compile(r"[^a-z0-9]+")


def slug_of(name: str) -> str:
    """Write a name in lower case, words parted by hyphens; empty where it has no Latin letter or digit."""
    plain = unicodedata.normalize("NFKD", name[: 4 * _LONGEST]).encode("ascii", "ignore").decode()
    return _OTHER.sub("-", _WORD_BORDER.sub("-", plain).lower()).strip("-")[:_LONGEST].strip("-")


class Slugs:
    """Hands out slugs, each once."""

    def __init__(self) -> None:
        self._taken: dict[str, int] = {}

    def take(self, *names: str) -> str:
        """Return a slug of the first name that has one; a second of the same gets a number."""
        slug = next(filter(None, map(slug_of, names)), "operation")
        number = self._taken[slug] = self._taken.get(slug, 0) + 1
        if number == 1:
            return slug
        return self.take(f"{slug}-{number}")
