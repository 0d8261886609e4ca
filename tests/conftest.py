"""Profiles of the property tests: a few examples each in CI, many with `TOLLWAY_TEST_PROFILE=long`."""

from __future__ import annotations

import os

from hypothesis import HealthCheck, settings

settings.register_profile(
    "long", max_examples=2000, deadline=None, suppress_health_check=[HealthCheck.too_slow]
)
settings.register_profile("mutants", max_examples=60, deadline=None, derandomize=True, database=None)
if profile := os.environ.get("TOLLWAY_TEST_PROFILE"):
    settings.load_profile(profile)
