"""The stream token: whoever has none of ours for this call opens no stream."""

from __future__ import annotations

import string

from hypothesis import given
from hypothesis import strategies as st

from agenticd.core.token import check, mint

KEYS = st.binary(min_size=32, max_size=32)
CALLS = st.text(alphabet="0123456789ABCDEFGHJKMNPQRSTVWXYZ", min_size=26, max_size=26)
ATTEMPTS = st.integers(0, 10**6)
TIMES = st.integers(0, 2**40)
CALL = "01JD3XKQ8Y0000000000000000"
KEY = bytes(range(32))


@given(KEYS, CALLS, ATTEMPTS, TIMES, st.floats(0, 1e6))
def test_a_token_is_good_for_its_call_until_it_expires(key, call, attempt, expires, ahead):
    token = mint(key, call, attempt, expires)
    assert check(key, token, call, expires - ahead - 1) == attempt
    assert check(key, token, call, expires) is None
    assert check(key, token, call, expires + ahead) is None


@given(KEYS, KEYS, CALLS, CALLS, ATTEMPTS, TIMES)
def test_another_key_or_another_call_refuses_it(key, other_key, call, other_call, attempt, expires):
    token = mint(key, call, attempt, expires)
    assert check(other_key, token, call, 0) == (attempt if other_key == key and expires else None)
    assert check(key, token, other_call, 0) == (attempt if other_call == call and expires else None)


@given(st.data(), ATTEMPTS, st.integers(1, 2**40))
def test_one_changed_letter_anywhere_refuses_it(data, attempt, expires):
    token = mint(KEY, CALL, attempt, expires)
    at = data.draw(st.integers(0, len(token) - 1))
    changed = token[:at] + data.draw(st.text(max_size=2)) + token[at + 1 :]
    assert check(KEY, changed, CALL, 0) == (attempt if changed == token else None)


@given(ATTEMPTS, TIMES)
def test_the_same_numbers_written_otherwise_are_no_token(attempt, expires):
    token = mint(KEY, CALL, attempt, expires + 1)
    for changed in (
        "0" + token,
        "+" + token,
        " " + token,
        token + "=",
        token + "\n",
        token + ".1",
        "٠" + token,
    ):
        assert check(KEY, changed, CALL, 0) is None


@given(st.text(st.characters()), st.text(st.characters(codec="utf-8")))
def test_no_text_raises(token, call):
    assert check(KEY, token, call, 0) is None


def test_a_flood_of_digits_is_refused_without_work():
    assert check(KEY, "9" * 100_000 + ".1.x", CALL, 0) is None
    assert check(KEY, "1." + "9" * 100_000 + ".x", CALL, 0) is None


@given(KEYS, CALLS, ATTEMPTS, TIMES)
def test_a_token_fits_a_parameter_and_any_log_or_url(key, call, attempt, expires):
    token = mint(key, call, attempt, expires)
    assert len(token) < 80
    assert set(token) <= set(string.ascii_letters + string.digits + "-_.")


def test_a_token_is_the_same_after_a_restart_and_in_the_next_version():
    # From: printf "$CALL|3|1795356000" | openssl dgst -sha256 -mac HMAC -macopt hexkey:$KEY -binary | base64
    assert mint(KEY, CALL, 3, 1795356000) == "3.1795356000.YypdZ3ScY9J033Ac8GlyGI75zyM09QtSYEJvO7pxB3c"
