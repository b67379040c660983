"""A histogram: how many values fell into which range, and their sum. How it is shown: host/metrics.py."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Sequence


class Tally:
    """Values by range. Filled by one thread; another may read it and be one value behind."""

    __slots__ = ("_bounds", "_counts", "_sum")

    def __init__(self, bounds: Sequence[float]) -> None:
        """`bounds`: the upper ends of the ranges, rising, in the values' unit. What is above the last counts too."""
        if list(bounds) != sorted(set(bounds)) or not bounds:
            raise AssertionError("bounds rise")
        self._bounds = tuple(bounds)
        self._counts = [0] * (len(bounds) + 1)
        self._sum = 0.0

    def add(self, value: float) -> None:
        """One more value. One below 0, which only a clock that was set makes, counts as 0."""
        value = max(0.0, value)
        self._counts[bisect_left(self._bounds, value)] += 1
        self._sum += value

    @property
    def count(self) -> int:
        """How many values there were."""
        return sum(self._counts)

    @property
    def sum(self) -> float:
        """Their sum."""
        return self._sum

    def cumulative(self) -> list[tuple[float, int]]:
        """For each bound, and infinity at the end, how many values were not above it."""
        total = 0
        found: list[tuple[float, int]] = []
        for bound, count in zip((*self._bounds, float("inf")), tuple(self._counts), strict=True):
            total += count
            found.append((bound, total))
        return found
