"""The voice of the extra: speech for any text, in a child process that may die and never outlives its owner."""

from __future__ import annotations

import os
import select
import signal
import subprocess
import sys
from collections.abc import Iterator

import numpy as np
import numpy.typing as npt
import pytest
import webrtcvad

from agenticd.emulator.voice import Espeak, Recogniser, Speaker, Voice, hum, load_clips, ulaw
from agenticd.emulator.voice.telephone import as_heard, telephone_band
from agenticd.emulator.voice.worker import Worker, WorkerFailed

SPEAKERS: tuple[Speaker, ...] = ("agent", "caller")
TEXTS = (
    "Your order number is four two seven.",
    "Tomorrow there is a soup of roasted tomatoes, fresh ravioli with spinach, and a warm chocolate cake.",
    "Yes",
)


@pytest.fixture(scope="module")
def espeak() -> Iterator[Espeak]:
    espeak = Espeak()
    espeak.start()
    yield espeak
    espeak.close()


def gone(pid: int) -> bool:
    """Whether there is no such process any more, not even its remains."""
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return True
    return False


def spectrum(audio: bytes) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.float64]]:
    samples = ulaw.decode(audio).astype(np.float64)
    power = np.abs(np.fft.rfft(samples)) ** 2
    return np.fft.rfftfreq(len(samples), 1 / ulaw.RATE).astype(np.float64), power.astype(np.float64)


@pytest.mark.parametrize("speaker", SPEAKERS)
@pytest.mark.parametrize("text", TEXTS)
def test_a_text_is_speech_as_a_telephone_carries_it(espeak: Espeak, text: str, speaker: Speaker) -> None:
    audio = espeak.say(text, speaker)
    assert 8 < len(text) / (len(audio) / ulaw.RATE) < 25 or len(text) < 10  # characters a second
    assert 0.2 < len(audio) / ulaw.RATE < 10
    level = 20 * np.log10(np.sqrt((ulaw.decode(audio).astype(float) ** 2).mean()) / 32768)
    assert -26 < level < -16  # as the clips have it
    hertz, power = spectrum(audio)
    outside = power[(hertz < 150) | (hertz > 3700)].sum() / power.sum()
    assert 10 * np.log10(outside) < -30
    pcm, vad = ulaw.decode(audio).tobytes(), webrtcvad.Vad(3)
    flags = [vad.is_speech(pcm[at : at + 320], ulaw.RATE) for at in range(0, len(pcm) - 319, 320)]
    assert sum(flags) / len(flags) > 0.6


def test_the_two_voices_differ_in_pitch(espeak: Espeak) -> None:
    def pitch(audio: bytes) -> float:
        samples = ulaw.decode(audio).astype(np.float64)
        whole = np.fft.irfft(np.abs(np.fft.rfft(samples, 2 * len(samples))) ** 2)
        lags = np.arange(ulaw.RATE // 300, ulaw.RATE // 60)
        return float(ulaw.RATE / lags[whole[lags].argmax()])

    agent, caller = (pitch(espeak.say(TEXTS[1], speaker)) for speaker in SPEAKERS)
    assert agent > 1.3 * caller


def test_the_same_text_is_the_same_bytes_also_from_another_child(espeak: Espeak) -> None:
    other = Espeak()
    try:
        assert other.say(TEXTS[0], "caller") == espeak.say(TEXTS[0], "caller") == espeak.say(f" {TEXTS[0]}\n", "caller")
    finally:
        other.close()


@pytest.mark.parametrize("text", ["", " \n", "?!", "\U0001f600", "\x00"])
def test_what_is_no_text_is_not_said(espeak: Espeak, text: str) -> None:
    assert espeak.say(text, "agent") == b""


def test_any_text_at_all_can_be_said(espeak: Espeak) -> None:
    for text in ("日本 eins", "a\ud800b", "<speak>one &amp; two</speak>", "[[h@'loU]] x", "word " * 3000, "7" * 300):
        assert len(espeak.say(text, "agent")) > 1000


def test_a_voice_with_it_says_clips_where_there_are_and_speech_where_not(espeak: Espeak) -> None:
    voice = Voice(espeak)
    clip = load_clips()[0]
    assert voice.say(clip.text, clip.speaker) == clip.ulaw
    assert voice.say(TEXTS[0], "agent") == espeak.say(TEXTS[0], "agent") != Voice().say(TEXTS[0], "agent")
    assert voice.say("?!", "agent") == b""


def test_what_it_says_can_be_learnt_and_is_known_again(espeak: Espeak) -> None:
    recogniser, silence = Recogniser(), bytes([ulaw.SILENCE])
    for text in TEXTS[:2]:
        recogniser.learn(text, espeak.say(text, "caller"))
    for text in TEXTS[:2]:
        assert recogniser.text_of(silence * 999 + espeak.say(text, "caller") + silence * 4000) == text
    assert recogniser.text_of(espeak.say("Your dog is in the garden again.", "caller")) is None


def test_the_child_is_gone_after_close() -> None:
    espeak = Espeak()
    assert espeak.pid is None
    assert espeak.say("One.", "agent")
    pid = espeak.pid
    assert pid is not None
    assert not gone(pid)
    espeak.close()
    espeak.close()  # harmless
    assert gone(pid)


def test_a_child_that_is_killed_is_replaced_and_no_word_is_lost() -> None:
    espeak = Espeak()
    try:
        first = espeak.say("One.", "agent")
        for text in ("Two.", "Three."):
            pid = espeak.pid
            assert pid is not None
            os.kill(pid, signal.SIGKILL)
            assert espeak.say(text, "agent") not in (b"", first)
            assert espeak.pid not in (None, pid)
            assert gone(pid)
        assert espeak.say("One.", "agent") == first
    finally:
        espeak.close()


def test_a_child_that_cannot_start_leaves_the_hum(monkeypatch: pytest.MonkeyPatch) -> None:
    espeak = Espeak()
    for command in ([sys.executable, "-c", "raise SystemExit(1)"], ["/nowhere/python", "-m", "it"]):
        monkeypatch.setattr(espeak._worker, "_command", command if len(command) > 2 else [*command, ""])
        espeak.start()
        text = f"Something else {len(command[0])}."
        assert Voice(espeak).say(text, "agent") == hum.hum(text, "agent")
        espeak.close()


def test_a_child_that_hangs_or_answers_too_much_is_given_up() -> None:
    for answer in ("time.sleep(1000)", "sys.stdout.buffer.write(b'\\xff' * 8); sys.stdout.flush(); time.sleep(1000)"):
        worker = Worker("none", seconds=0.3)
        worker._command = [sys.executable, "-c", f"import sys, time; {answer}"]
        with pytest.raises(WorkerFailed, match=r"did not answer within 0\.3 s|answered with \d+ bytes"):
            worker.ask(b"x")
        assert worker.pid is None


LINUX = pytest.mark.skipif(sys.platform != "linux", reason="looks into /proc, and waits by a descriptor")


@LINUX
def test_the_child_ends_with_its_owner_however_that_ends() -> None:
    owner = (
        "import os, signal\n"
        "from agenticd.emulator.voice import Espeak\n"
        "espeak = Espeak()\n"
        "espeak.say('One.', 'agent')\n"
        "print(espeak.pid, flush=True)\n"
        "os.kill(os.getpid(), signal.SIGKILL)\n"
    )
    ended = subprocess.run([sys.executable, "-c", owner], capture_output=True, timeout=30)
    assert ended.returncode == -signal.SIGKILL
    pid = int(ended.stdout)
    wait_until_gone(pid)


def wait_until_gone(pid: int) -> None:
    """Somebody else's child: its end is seen by its descriptor."""
    try:
        descriptor = os.pidfd_open(pid)
    except ProcessLookupError:
        return
    try:
        assert select.select([descriptor], [], [], 20)[0]
    finally:
        os.close(descriptor)


@LINUX
def test_our_own_process_never_has_the_libraries() -> None:
    code = (
        "import sys\n"
        "import agenticd.emulator.run\n"
        "from agenticd.emulator.voice import Espeak, Grammar, Voice\n"
        "assert Espeak.installed() and Grammar.installed()\n"
        "espeak = Espeak()\n"
        "assert Voice(espeak).say('Something new.', 'agent')\n"
        "assert 'espeak' in str(open(f'/proc/{espeak.pid}/maps').read())\n"
        "assert 'libespeak' not in open('/proc/self/maps').read()\n"
        "print([name for name in sys.modules if name.startswith(('espeakng', 'pocketsphinx'))])\n"
        "espeak.close()\n"
    )
    ended = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=30)
    assert (ended.stdout, ended.stderr) == ("[]\n", "")


# From 22.05 kHz to the telephone's 8.


@pytest.mark.parametrize("hertz", [400, 1000, 2000, 3000])
def test_a_tone_of_the_band_stays_a_clean_tone_of_its_level(hertz: int) -> None:
    tone = 0.5 * np.sin(2 * np.pi * hertz / 22050 * np.arange(22050))
    heard = telephone_band(tone, 22050)[800:-1600]  # without its ends
    at = np.arange(len(heard)) * 2 * np.pi * hertz / 8000
    basis = np.stack([np.cos(at), np.sin(at)], axis=1)
    fitted, *_ = np.linalg.lstsq(basis, heard, rcond=None)
    assert np.hypot(*fitted) == pytest.approx(0.5, rel=0.05)
    noise = heard - basis @ fitted
    assert 10 * np.log10((noise**2).mean() / (heard**2).mean()) < -55


@pytest.mark.parametrize("hertz", [50, 4500, 6000, 10_000])
def test_a_tone_outside_it_is_gone_and_leaves_no_alias(hertz: int) -> None:
    tone = 0.5 * np.sin(2 * np.pi * hertz / 22050 * np.arange(22050))
    heard = telephone_band(tone, 22050)[800:-1600]
    assert 10 * np.log10((heard**2).mean() / 0.125) < -35


def test_silence_is_nothing() -> None:
    assert len(as_heard(np.zeros(22050), 22050)) == len(as_heard(np.zeros(0), 22050)) == 0
