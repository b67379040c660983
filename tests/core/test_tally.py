"""A histogram counts each value once, in the first range that holds it."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agenticd.core.tally import Tally

BOUNDS = (0.1, 0.5, 2.0)


@given(st.lists(st.floats(-1, 10)))
def test_each_bound_has_the_values_that_are_not_above_it(values: list[float]):
    tally = Tally(BOUNDS)
    for value in values:
        tally.add(value)
    known = [max(0.0, value) for value in values]
    assert tally.cumulative() == [(bound, sum(value <= bound for value in known)) for bound in (*BOUNDS, math.inf)]
    assert tally.count == len(values)
    assert tally.sum == pytest.approx(sum(known))


@pytest.mark.parametrize("bounds", [(), (1.0, 1.0), (2.0, 1.0)])
def test_bounds_that_do_not_rise_are_a_defect(bounds: tuple[float, ...]):
    with pytest.raises(AssertionError):
        Tally(bounds)
