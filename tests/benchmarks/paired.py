"""Paired ratios: single times on a shared machine move by half, the ratio of neighbours in time hardly."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from statistics import median

__all__ = ["Ratio", "paired_ratio"]


@dataclass(frozen=True, slots=True)
class Ratio:
    """The median of paired ratios and an interval that holds the true median with `confidence`."""

    median: float
    low: float
    high: float
    confidence: float


def paired_ratio(subject: Sequence[float], reference: Sequence[float]) -> Ratio:
    """Return subject ÷ reference, pair by pair.

    The interval assumes nothing about the distribution: it runs between order statistics, leaving out the
    smallest and the largest ratio where there are six or more. Nine pairs give 96 %.
    """
    ratios = sorted(ours / theirs for ours, theirs in zip(subject, reference, strict=True))
    count = len(ratios)
    cut = 1 if count >= 6 else 0
    outside = sum(math.comb(count, k) for k in range(cut + 1)) * 2 / 2**count
    return Ratio(median(ratios), ratios[cut], ratios[-1 - cut], 1 - outside)
