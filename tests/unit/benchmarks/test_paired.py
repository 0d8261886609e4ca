"""The benchmarks' statistics."""

from __future__ import annotations

import os
import time

import pytest

from tests.benchmarks.paired import paired_ratio
from tests.benchmarks.processes import command_of, cpu_us, pss_mib, tree


def test_nine_pairs_leave_out_the_extremes() -> None:
    reference = [10.0, 20.0, 5.0, 10.0, 40.0, 10.0, 10.0, 10.0, 10.0]
    ratios = [0.5, 1.0, 1.1, 1.2, 1.3, 1.4, 1.5, 1.6, 9.0]
    found = paired_ratio([r * t for r, t in zip(ratios, reference, strict=True)], reference)
    assert (found.median, found.low, found.high) == pytest.approx((1.3, 1.0, 1.6))
    assert found.confidence == pytest.approx(1 - 20 / 512)


def test_few_pairs_keep_them() -> None:
    found = paired_ratio([1.0, 3.0, 2.0], [1.0, 1.0, 1.0])
    assert (found.low, found.median, found.high, found.confidence) == (1.0, 2.0, 3.0, 0.75)


def test_a_process_is_measured_with_its_tree() -> None:
    own = os.getpid()
    assert own in tree(own)
    assert "pytest" in command_of(own)
    assert pss_mib([own]) > 1
    before = cpu_us([own])
    end = time.process_time() + 0.1
    while time.process_time() < end:
        pass
    assert 50_000 <= cpu_us([own]) - before <= 500_000
