"""What the emulator says: known sentences are speech, all others a hum; a turn detector hears both."""

from __future__ import annotations

import hashlib
from pathlib import Path

import numpy as np
import pytest
import webrtcvad
from hypothesis import given, settings
from hypothesis import strategies as st

from agenticd.emulator.voice import Clip, Speaker, Voice, load_clips, render_clips, ulaw
from agenticd.emulator.voice.hum import CHARACTERS_PER_SECOND

HUMMED = (
    "The quick brown fox jumps over the lazy dog.",
    "Your order number is four two seven.",
    "Yes",
    "Dann bis morgen um acht, ich freue mich.",
)
SPEAKERS: tuple[Speaker, ...] = ("agent", "caller")


def speech_flags(audio: bytes) -> list[bool]:
    pcm = ulaw.decode(audio).tobytes()
    vad = webrtcvad.Vad(3)
    return [vad.is_speech(pcm[at : at + 320], ulaw.RATE) for at in range(0, len(pcm) - 319, 320)]


def longest_run(flags: list[bool], value: bool) -> int:
    longest = run = 0
    for flag in flags:
        run = run + 1 if flag is value else 0
        longest = max(longest, run)
    return longest


def test_the_index_and_the_files_are_of_one_rendering() -> None:
    for clip in load_clips():
        assert hashlib.sha256(clip.ulaw).hexdigest() == clip.sha256, clip.text


def test_the_clips_are_the_sentences_of_the_list() -> None:
    listed = [(entry.speaker, entry.text) for entry in render_clips.read_sentences(render_clips.SENTENCES)]
    assert [(clip.speaker, clip.text) for clip in load_clips()] == listed


def test_the_clips_are_small_enough_to_ship() -> None:
    assert sum(path.stat().st_size for path in render_clips.CLIPS.iterdir()) < 1_500_000


@pytest.mark.parametrize("clip", load_clips(), ids=lambda clip: clip.text[:30])
def test_a_clip_is_one_turn_at_a_telephones_level(clip: Clip) -> None:
    flags = speech_flags(clip.ulaw)
    assert sum(flags) / len(flags) > 0.8
    assert longest_run(flags, False) * 20 <= 320  # a turn detector that waits 500 ms does not cut it in two
    level = 20 * np.log10(np.sqrt((ulaw.decode(clip.ulaw).astype(float) ** 2).mean()) / 32768)
    assert -26 < level < -16


def test_a_known_sentence_is_its_clip_however_it_is_written() -> None:
    voice = Voice()
    clip = next(clip for clip in load_clips() if clip.text == "Hello, how can I help you?")
    assert voice.say("Hello, how can I help you?", "agent") == clip.ulaw
    assert voice.say("  hello how can I\n help you", "agent") == clip.ulaw
    assert voice.has_clip("Hello, how can I help you?", "agent")


def test_a_sentence_of_the_other_voice_is_hummed() -> None:
    assert not Voice().has_clip("Hello, how can I help you?", "caller")
    assert Voice().say("Hello, how can I help you?", "caller") != Voice().say("Hello, how can I help you?", "agent")


@pytest.mark.parametrize("speaker", SPEAKERS)
@pytest.mark.parametrize("text", HUMMED)
def test_a_hum_is_heard_as_one_stretch_of_speech(text: str, speaker: Speaker) -> None:
    audio = Voice().say(text, speaker)
    flags = speech_flags(audio + bytes([ulaw.SILENCE]) * 8000)
    spoken = len(audio) // 160
    assert sum(flags[:spoken]) / spoken > 0.8
    assert longest_run(flags[:spoken], False) * 20 < 200
    assert not any(flags[spoken + 10 :])  # and it ends when it ends


@given(text=st.text(alphabet="abcdefghijklmnopqrstuvwxyz0123456789", min_size=1, max_size=120))
@settings(max_examples=40, deadline=None)
def test_any_text_lasts_in_proportion_to_its_length(text: str) -> None:
    assert len(Voice().say(text, "caller")) == pytest.approx(len(text) / CHARACTERS_PER_SECOND * ulaw.RATE, abs=1)


@given(text=st.text(max_size=60))
@settings(max_examples=100, deadline=None)
def test_any_text_at_all_can_be_said(text: str) -> None:
    audio = Voice().say(text, "agent")
    assert bool(audio) == any(character.isalnum() for character in text)


def test_the_same_text_is_the_same_bytes_in_every_process() -> None:
    digests = [hashlib.sha256(Voice().say(text, "caller")).hexdigest()[:12] for text in HUMMED]
    again = [hashlib.sha256(Voice().say(text.upper(), "caller")).hexdigest()[:12] for text in HUMMED]
    assert digests == again
    assert len(set(digests)) == len(digests)


def test_a_bad_line_of_the_list_is_named(tmp_path: Path) -> None:
    path = tmp_path / "list.txt"
    path.write_text("agent: Hello.\nnobody: Hello.\n", encoding="utf-8")
    with pytest.raises(ValueError, match=r"list\.txt:2: expected `agent: text`"):
        render_clips.read_sentences(path)


def test_a_sentence_may_be_spelt_for_the_synthesiser(tmp_path: Path) -> None:
    path = tmp_path / "list.txt"
    path.write_text("# comment\n\nagent: Mm-hm. => um hum\ncaller: Yes\n", encoding="utf-8")
    first, second = render_clips.read_sentences(path)
    assert (first.text, first.spoken) == ("Mm-hm.", "um hum")
    assert (second.text, second.spoken) == ("Yes", "Yes")
