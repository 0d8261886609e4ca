"""Unit conversion: metered units into priced ones. The only place where a quantity is ever rounded."""

from __future__ import annotations

from fractions import Fraction
from math import ceil, floor

from tollway.catalog.prices import ConversionOperation, QuantityRounding, UnitConversion
from tollway.kernel.exact import divide_half_away

__all__ = ["convert"]


def convert(quantity: Fraction, conversion: UnitConversion | None) -> Fraction:
    """Return the quantity in priced units; without a conversion the quantity itself."""
    if conversion is None:
        return quantity
    factor = Fraction(conversion.factor)
    if conversion.operation is ConversionOperation.MULTIPLY:
        converted = quantity * factor
    else:
        converted = quantity / factor
    match conversion.quantity_rounding:
        case QuantityRounding.NONE:
            return converted
        case QuantityRounding.CEIL:
            return Fraction(ceil(converted))
        case QuantityRounding.FLOOR:
            return Fraction(floor(converted))
        case QuantityRounding.HALF_UP:
            return Fraction(divide_half_away(converted.numerator, converted.denominator))
