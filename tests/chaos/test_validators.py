"""Each validator catches its own fault and no other: a right history passes all, a wrong one all but one."""

from __future__ import annotations

import copy
from collections.abc import Callable

import pytest

from tests.chaos.histories import Acknowledged, Dialled, Life, Mark, Run, Seen, Stream
from tests.chaos.validators import VALIDATORS, judge, union_is_the_log

KINDS = ("call_queued", "call_dialing", "call_ended", "call_closed")


def right() -> Run:
    """Two calls, woven; a subscriber of all that was cut twice, one that was filtered, a restart in the middle."""
    log: list[Seen] = []
    for kind in KINDS:
        for call_id in ("A", "B"):
            log.append(Seen(len(log) + 1, call_id, KINDS.index(kind) + 1, kind))
    every = [
        Stream(0, node="n0", head=0, frames=[*log[:3], Mark(3)]),
        Stream(3, node="n0", head=4, frames=[log[3]]),
        Stream(4, node="n1", head=4, frames=[*log[4:], Mark(8)]),
    ]
    some = frozenset({"call_queued", "call_closed"})
    few = [Stream(0, kinds=some, node="n0", frames=[log[0], log[1], Mark(4)])]
    few.append(Stream(4, kinds=some, node="n1", frames=[Mark(6), log[6], log[7]]))
    return Run(
        log=log,
        subscribers={"every": every, "few": few},
        acknowledged=[Acknowledged("r1", "A", 1), Acknowledged("r2", "B", 2), Acknowledged("r2", "B", 2)],
        dialled=[Dialled("r1", "CA1"), Dialled("r2", "CA2")],
        lives=[Life("n0", 0), Life("n1", 4)],
    )


Spoil = Callable[[Run], None]
CASES: list[tuple[str, Spoil]] = []


def breaks(name: str) -> Callable[[Spoil], Spoil]:
    """The history that the function spoils breaks that property and no other."""

    def keep(spoil: Spoil) -> Spoil:
        CASES.append((name, spoil))
        return spoil

    return keep


@breaks("Ordered")
def two_change_places(run: Run) -> None:
    frames = run.subscribers["every"][2].frames
    frames[1], frames[2] = frames[2], frames[1]


@breaks("Unique")
def one_comes_twice(run: Run) -> None:
    frames = run.subscribers["every"][2].frames
    frames.insert(2, frames[1])


@breaks("Unique")
def one_comes_again_over_a_resume(run: Run) -> None:
    stream = run.subscribers["every"][1]
    stream.frames.insert(0, run.log[2])


@breaks("Reliable")
def one_is_left_out(run: Run) -> None:
    stream = run.subscribers["every"][2]
    del stream.frames[1]
    stream.frames.pop()  # the bookmark would be wrong, too


@breaks("Reliable")
def one_is_not_what_the_log_has(run: Run) -> None:
    run.subscribers["every"][2].frames[1] = Seen(6, "B", 9, "call_ended")


@breaks("Resumable")
def the_first_after_a_resume_is_skipped(run: Run) -> None:
    stream = run.subscribers["every"][2]
    del stream.frames[0]
    stream.frames.pop()


@breaks("Bookmarkable")
def a_bookmark_is_before_its_event(run: Run) -> None:
    frames = run.subscribers["every"][2].frames
    frames.insert(1, Mark(6))


@breaks("Bookmarkable")
def bookmarks_fall(run: Run) -> None:
    run.subscribers["every"][2].frames.append(Mark(7))


@breaks("Filter")
def one_was_not_asked_for(run: Run) -> None:
    run.subscribers["few"][1].frames.insert(1, run.log[5])
    del run.subscribers["few"][1].frames[0]


@breaks("Complete")
def a_call_is_not_closed(run: Run) -> None:
    for name in ("every", "few"):
        frames = run.subscribers[name][-1].frames
        frames[:] = [frame for frame in frames if frame != run.log[7] and frame != Mark(8)]
    del run.log[7]


@breaks("Complete")
def a_sequence_has_a_gap(run: Run) -> None:
    wrong = Seen(8, "B", 5, "call_closed")
    for name in ("every", "few"):
        frames = run.subscribers[name][-1].frames
        frames[:] = [wrong if frame == run.log[7] else frame for frame in frames]
    run.log[7] = wrong


@breaks("Durable")
def an_acknowledged_call_is_not_in_the_log(run: Run) -> None:
    run.acknowledged.append(Acknowledged("r3", "C", 9))


@breaks("Durable")
def a_request_is_dialled_twice(run: Run) -> None:
    run.dialled.append(Dialled("r1", "CA3"))


@breaks("Durable")
def a_request_is_two_calls(run: Run) -> None:
    run.acknowledged.append(Acknowledged("r1", "B", 2))


@breaks("Fenced")
def a_daemon_writes_on_after_its_successor_took_over(run: Run) -> None:
    run.lives[1] = Life("n1", 3)


def test_a_right_history_is_right() -> None:
    assert judge(right()) == []
    assert list(union_is_the_log(right())) == []


@pytest.mark.parametrize(("name", "spoil"), CASES, ids=lambda case: case if isinstance(case, str) else case.__name__)
def test_each_fault_is_caught_by_its_validator_and_by_no_other(name: str, spoil: Spoil) -> None:
    run = copy.deepcopy(right())
    spoil(run)
    assert {fault.partition(":")[0] for fault in judge(run)} == {name}


def test_each_validator_has_a_fault_that_it_catches() -> None:
    assert {name for name, _ in CASES} == set(VALIDATORS)


def test_what_never_came_on_any_stream_is_missed() -> None:
    run = right()
    run.subscribers["every"] = run.subscribers["every"][:2]
    assert "missing [5, 6, 7, 8]" in "".join(union_is_the_log(run))


def test_what_came_again_past_the_cursor_is_found() -> None:
    run = right()
    run.subscribers["every"][1].frames.insert(0, run.log[2])
    assert "[3] came although the cursor was 3" in "".join(union_is_the_log(run))
