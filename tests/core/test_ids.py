"""Call ids: ULIDs, their time and their order, and what is none."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agenticd.core.ids import RANDOM_BYTES, CallId, created_of, new_call_id, parse_call_id

MILLISECONDS = st.integers(0, (1 << 48) - 1)
RANDOMNESS = st.binary(min_size=RANDOM_BYTES, max_size=RANDOM_BYTES)


@given(MILLISECONDS, RANDOMNESS)
def test_an_id_tells_when_its_call_was_created(milliseconds: int, randomness: bytes) -> None:
    # Half a millisecond on, so that no rounding of the seconds moves it to the one before.
    call_id = new_call_id((milliseconds + 0.5) / 1000, randomness)
    assert created_of(call_id) == milliseconds / 1000
    assert parse_call_id(call_id.lower()) == call_id


@given(MILLISECONDS, MILLISECONDS, RANDOMNESS, RANDOMNESS)
def test_ids_are_in_the_order_of_their_times(one: int, other: int, left: bytes, right: bytes) -> None:
    ids = new_call_id((one + 0.5) / 1000, left), new_call_id((other + 0.5) / 1000, right)
    if one != other:
        assert (ids[0] < ids[1]) == (created_of(ids[0]) < created_of(ids[1])) == (one < other)


def test_the_time_is_that_of_the_ulids_specification() -> None:
    assert created_of(CallId("01ARZ3NDEKTSV4RRFFQ69G5FAV")) == 1_469_922_850.259
    assert created_of(CallId("7ZZZZZZZZZ" + "0" * 16)) == ((1 << 48) - 1) / 1000


@pytest.mark.parametrize("text", ["", "01ARZ3NDEKTSV4RRFFQ69G5FA", "81ARZ3NDEKTSV4RRFFQ69G5FAV", "U" * 26])
def test_what_is_no_ulid_is_no_call_id(text: str) -> None:
    assert parse_call_id(text) is None
