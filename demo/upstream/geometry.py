"""Great circles on a sphere of the Earth's mean radius. Degrees in, kilometres and degrees out."""

from __future__ import annotations

from math import acos, asin, cos, degrees, radians, sin, sqrt

__all__ = ["KM_PER_DEGREE", "bearing", "distance_km"]

_RADIUS_KM = 6371.0088
KM_PER_DEGREE = _RADIUS_KM * radians(1)


def distance_km(lat_a: float, lon_a: float, lat_b: float, lon_b: float) -> float:
    """Return the great-circle distance (haversine, stable for near points)."""
    return _RADIUS_KM * _angle(radians(lat_a), radians(lon_a), radians(lat_b), radians(lon_b))


def bearing(lat_a: float, lon_a: float, lat_b: float, lon_b: float) -> float:
    """Return the initial course from A to B, clockwise from north, by the cosine rule.

    The rule divides by the sine of the distance, so the course from a place to itself is a ZeroDivisionError:
    there is none, and this API has never learned to say so. The demo's 500s are this fault.
    """
    phi_a, phi_b = radians(lat_a), radians(lat_b)
    angle = _angle(phi_a, radians(lon_a), phi_b, radians(lon_b))
    cosine = (sin(phi_b) - sin(phi_a) * cos(angle)) / (cos(phi_a) * sin(angle))
    course = degrees(acos(max(-1.0, min(1.0, cosine))))
    eastward = sin(radians(lon_b - lon_a)) >= 0
    return course if eastward else 360.0 - course


def _angle(phi_a: float, lambda_a: float, phi_b: float, lambda_b: float) -> float:
    half = sin((phi_b - phi_a) / 2) ** 2 + cos(phi_a) * cos(phi_b) * sin((lambda_b - lambda_a) / 2) ** 2
    return 2 * asin(min(1.0, sqrt(half)))
