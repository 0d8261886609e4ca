"""Short names of organisations: in addresses, at the gateway and on invoices; unique."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Callable

__all__ = ["free_slug"]

_LONGEST = 40


def free_slug(name: str, taken: Callable[[str], bool]) -> str:
    """Return a slug made of an organisation's name that is not taken: `meridian-freight`, or with `-2`."""
    plain = unicodedata.normalize("NFKD", name).encode("ascii", "ignore").decode().lower()
    base = re.sub(r"[^a-z0-9]+", "-", plain).strip("-")[:_LONGEST].strip("-") or "customer"
    slug, number = base, 1
    while taken(slug):
        number += 1
        slug = f"{base}-{number}"
    return slug
