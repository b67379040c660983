"""However a message is cut, it comes out whole; whatever else comes, nothing does and nothing is kept."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from agenticd.adapters.http.fragments import Fragments


@given(st.binary(max_size=200), st.lists(st.integers(0, 200), max_size=8))
def test_a_message_comes_out_whole_however_it_is_cut(message: bytes, cuts: list[int]):
    faults: list[str] = []
    fragments = Fragments(200, faults.append)
    edges = [0, *sorted(min(cut, len(message)) for cut in cuts), len(message)]
    pieces = [message[a:b] for a, b in zip(edges, edges[1:], strict=False)]
    last = len(pieces) - 1
    results = [
        fragments.next(piece, fin=index == last) if index else fragments.first(piece, text=True, fin=index == last)
        for index, piece in enumerate(pieces)
    ]
    assert results == [None] * last + [message]
    assert not fragments.unfinished
    assert faults == []


_frames = st.tuples(st.sampled_from(["text", "binary", "next"]), st.booleans(), st.binary(max_size=12))


@given(st.lists(_frames, max_size=30))
def test_any_frames_keep_within_the_limit_and_end_the_state_they_should(
    frames: list[tuple[str, bool, bytes]],
):
    faults: list[str] = []
    fragments = Fragments(16, faults.append)
    open_message = False
    for kind, fin, payload in frames:
        known = len(faults)
        if kind == "next":
            whole = fragments.next(payload, fin=fin)
            begun = open_message
        else:
            whole = fragments.first(payload, text=kind == "text", fin=fin)
            begun = True
            assert len(faults) - known >= (kind == "binary") + open_message
        open_message = begun and not fin
        assert fragments.unfinished == open_message
        assert whole is None or (fin and len(whole) <= 16 and whole.endswith(payload))
        assert begun or faults[-1] == "fragments"
