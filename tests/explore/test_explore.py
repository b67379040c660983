"""The pure machines keep the rules in a hundred thousand random histories; and the explorer finds what is planted."""

from __future__ import annotations

import contextlib
import json
import subprocess
import sys
from collections.abc import Callable
from itertools import count
from pathlib import Path
from typing import Any

import pytest

from agenticd.core import effects, events, inputs
from agenticd.core.call import CallMachine
from agenticd.core.conversation import Conversation, Utterance
from agenticd.core.mediastream import DigitPressed, MarkEchoed, MediaReceived
from agenticd.core.playout import Playout
from agenticd.core.turn import Turn
from tests.explore import explore, mended, wild
from tests.explore.run import INTERNAL, Coverage, History, Violation, replay, shrunk, violation_of
from tests.explore.world import World

ROOT = Path(__file__).resolve().parents[2]
HISTORIES = 100_000
STEPS = 24


@pytest.mark.timeout(600)
def test_a_hundred_thousand_histories_keep_every_rule_and_reach_everything() -> None:
    # In a process of its own: its workers are forked, which one with gRPC's threads must not be.
    command = [sys.executable, "-m", "tests.explore", f"--histories={HISTORIES}", f"--steps={STEPS}", "--json"]
    done = subprocess.run([*command, "--jobs=2"], cwd=ROOT, capture_output=True, text=True, timeout=590, check=False)
    assert done.returncode == 0, done.stdout[-6000:] + done.stderr[-3000:]
    figures = json.loads(done.stdout.splitlines()[-1])
    assert figures["histories"] == HISTORIES
    never = [f"{title}: {name}" for title, names in figures["reached"].items() for name, n in names.items() if not n]
    assert never == []
    assert figures["sane"] > HISTORIES / 2  # most models keep their grammar, or half the rules would sleep
    assert figures["compared"] > 2000  # and the phone is asked often enough what it played


@pytest.mark.parametrize("entry", mended.MENDED, ids=lambda entry: entry.rule)
def test_what_was_mended_stays_so(entry: mended.Mended) -> None:
    assert violation_of(entry.history) is None, entry.why


def test_every_kind_of_input_has_a_maker_or_comes_from_a_machine() -> None:
    assert set(wild.MAKERS) | INTERNAL == set(inputs.Input.__args__)
    assert not set(wild.MAKERS) & INTERNAL


@pytest.mark.parametrize("kind", wild.MAKERS)
def test_a_maker_makes_its_kind(kind: type) -> None:
    names = wild.Names()
    assert all(type(wild.MAKERS[kind](World(seed, Coverage()).chance, names)) is kind for seed in range(5))


def test_a_world_without_wildness_has_a_model_that_keeps_its_grammar() -> None:
    for seed in range(300):
        world = World(seed, Coverage(), wildness=0.0)
        with contextlib.suppress(Violation):
            world.play()
        assert world.run.facts.talk.grammar.sane, seed


def test_a_seed_is_a_history_and_a_history_can_be_run_again() -> None:
    for seed in range(200, 260):
        first, _ = explore.history_of(seed, 40)
        second, _ = explore.history_of(seed, 40)
        assert first == second
        assert len(first.script) > 1


# --- What is planted is found ------------------------------------------------------------------------------------


def hunt(steps: int = 30, most: int = 6000) -> tuple[World, Violation]:
    """The first history that breaks a rule."""
    for seed in range(most):
        world = World(seed, Coverage(), steps=steps)
        try:
            world.play()
        except Violation as violation:
            return world, violation
    pytest.fail("what was planted was not found")


def _everything_sent_was_heard(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Playout, "heard", lambda self, item_id, now: self.sent(item_id))


def _every_echo_counts(monkeypatch: pytest.MonkeyPatch) -> None:
    real = Playout.clear

    def clear(self: Playout, now: float) -> list[effects.Effect]:
        made = real(self, now)
        self.generation = 0
        return made

    monkeypatch.setattr(Playout, "clear", clear)


def _transcripts_in_order_of_arrival(monkeypatch: pytest.MonkeyPatch) -> None:
    real = Conversation.finish

    def finish(self: Conversation, utterance: Utterance) -> events.TranscriptFinal | None:
        utterance.position = 0
        return real(self, utterance)

    monkeypatch.setattr(Conversation, "finish", finish)


def _closed_again_and_again(monkeypatch: pytest.MonkeyPatch) -> None:
    real = CallMachine._close

    def close(self: CallMachine, *arguments: Any) -> list[effects.Effect]:
        self.closed = False
        return real(self, *arguments)

    monkeypatch.setattr(CallMachine, "_close", close)


def _an_order_is_forgotten(monkeypatch: pytest.MonkeyPatch) -> None:
    real = CallMachine._order_end

    def order_end(self: CallMachine, *arguments: Any, **named: Any) -> list[effects.Effect]:
        made = real(self, *arguments, **named)
        self._ordered = None
        return made

    monkeypatch.setattr(CallMachine, "_order_end", order_end)


def _no_deadline_while_ending(monkeypatch: pytest.MonkeyPatch) -> None:
    real = CallMachine._hang_up

    def hang_up(self: CallMachine, *arguments: Any) -> list[effects.Effect]:
        made = real(self, *arguments)
        self._due = None
        return made

    monkeypatch.setattr(CallMachine, "_hang_up", hang_up)


def _recovery_redials(monkeypatch: pytest.MonkeyPatch) -> None:
    real = CallMachine._recovered
    monkeypatch.setattr(CallMachine, "_recovered", lambda self, *arguments: [effects.Dial(), *real(self, *arguments)])


def _settles_twice_over(monkeypatch: pytest.MonkeyPatch) -> None:
    serial = count()
    real = Turn.handle

    def handle(self: Turn, input: inputs.Input, now: float) -> list[effects.Effect]:
        made = real(self, input, now)
        return [*made, effects.Show(str(next(serial)), events.Speaker.AGENT, 0, "x")]

    monkeypatch.setattr(Turn, "handle", handle)


@pytest.mark.parametrize(
    ("plant", "rules"),
    [
        (_everything_sent_was_heard, {"the_model_knows_what_the_phone_played", "the_log_knows_what_the_phone_played"}),
        (_every_echo_counts, {"marks_are_named_once", "the_model_knows_what_the_phone_played"}),
        (_transcripts_in_order_of_arrival, {"the_transcript_has_the_models_order"}),
        (_closed_again_and_again, {"nothing_follows_call_closed"}),
        (_an_order_is_forgotten, {"the_end_is_what_was_ordered", "states_move_along_the_table"}),
        (_no_deadline_while_ending, {"every_live_state_has_a_deadline"}),
        (_recovery_redials, {"a_call_is_dialled_at_most_once", "what_is_dialled_is_on_record"}),
    ],
    ids=lambda value: getattr(value, "__name__", ""),
)
def test_a_planted_defect_is_found_and_shrunk(
    monkeypatch: pytest.MonkeyPatch, plant: Callable[[pytest.MonkeyPatch], None], rules: set[str]
) -> None:
    plant(monkeypatch)
    world, violation = hunt(steps=60)
    assert violation.rule in rules
    if (again := violation_of(world.history)) is not None:
        small = shrunk(world.history, violation.rule)
        assert again.rule == violation.rule
        assert len(small.script) <= len(world.history.script)
        found = violation_of(small)
        assert found is not None
        assert found.rule == violation.rule


def test_a_machine_that_raises_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    def raises(self: CallMachine, *arguments: Any) -> list[effects.Effect]:
        raise KeyError("planted")

    monkeypatch.setattr(CallMachine, "_leg_hung_up", raises)
    _, violation = hunt()
    assert violation.rule == "machines_never_raise"
    assert "planted" in str(violation)


def test_a_machine_with_a_mind_of_its_own_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    world = World(3, Coverage(), wildness=0.0)
    world.play()
    explore.same_effects(world.history)
    _settles_twice_over(monkeypatch)
    with pytest.raises(Violation, match="the_same_history_has_the_same_effects"):
        explore.same_effects(world.history)


# --- The doors of the daemon, as the explorer has them -----------------------------------------------------------


@pytest.mark.parametrize("inbound", [True, False])
def test_what_the_daemons_doors_refuse_does_not_reach_the_machines(inbound: bool) -> None:
    world = next(
        w for w in (World(seed, Coverage()) for seed in count()) if (w.record.direction.value == "INBOUND") is inbound
    )
    names = wild.Names()
    first = inputs.CallArrived() if inbound else inputs.CallPlaced()
    before = [(1.0, make(world.chance, names)) for kind, make in wild.MAKERS.items() if kind is not type(first)]
    frames = [wild.MAKERS[kind](world.chance, names) for kind in (MediaReceived, MarkEchoed, DigitPressed)]
    stray = [(2.0, frame) for frame in frames] + [(2.0, inputs.MediaStarted("MZ9", 7))]
    again = inputs.CallPlaced() if not inbound else inputs.MediaClosed("MZ9", stopped=True)
    run = replay(History(world.record, [*before, (2.0, first), *stray, (3.0, again)]), keep=True)
    seen = [type(input) for input, _ in run.kept]
    assert seen[0] is type(first)
    assert seen.count(type(first)) == 1
    assert not set(seen) & {MediaReceived, MarkEchoed, DigitPressed, inputs.MediaStarted, inputs.MediaClosed}
