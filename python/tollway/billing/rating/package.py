"""`package`: whole packages of units."""

from __future__ import annotations

from collections.abc import Iterator
from fractions import Fraction
from math import ceil, floor

from tollway.billing.rating.parts import Part, units_part
from tollway.billing.rating.wording import QUANTITY, Wording, grouped
from tollway.catalog.prices import Package, PackageRounding

__all__ = ["package_parts"]


def package_parts(model: Package, quantity: Fraction, words: Wording) -> Iterator[Part]:
    """Yield the packages that the quantity begins, or fills, at their price."""
    begun = quantity / Fraction(model.package_size)
    packages = ceil(begun) if model.package_rounding is PackageRounding.UP else floor(begun)
    description = (
        f"{QUANTITY} × {grouped(model.package_size)} {words.unit} {words.each(model.package_amount)}"
    )
    yield units_part("packages", description, Fraction(packages), Fraction(model.package_amount))
