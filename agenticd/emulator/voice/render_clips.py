"""Renders sentences.txt to the mu-law clips beside it: `python -m agenticd.emulator.voice.render_clips`.

A tool for whoever changes a sentence; it needs flite (Debian: `apt-get install flite`). Nothing imports it.
"""

from __future__ import annotations

import hashlib
import io
import json
import shutil
import subprocess
import sys
import tempfile
import wave
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from agenticd.emulator.voice import ulaw
from agenticd.emulator.voice.texts import key_of

HERE = Path(__file__).parent
CLIPS = HERE / "clips"
SENTENCES = HERE / "sentences.txt"
VOICES = {"agent": "slt", "caller": "rms"}  # flite's CMU Arctic voices, a woman's and a man's

ACTIVE_DBFS = -20.0  # level of the speech itself, pauses not counted: a usual level on a telephone line
PEAK = 0.7
BAND_HZ = (200.0, 3600.0)
LONGEST_PAUSE = 0.30  # seconds; a turn detector that waits 0.5 s must not cut a sentence in two
MARGIN = 0.03  # seconds of quiet kept before and after the speech

Samples = npt.NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Sentence:
    speaker: str
    text: str
    spoken: str


def read_sentences(path: Path) -> list[Sentence]:
    """The list's sentences. A line that is not `speaker: text` is a ValueError that names it."""
    sentences: list[Sentence] = []
    for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), start=1):
        if not line.strip() or line.startswith("#"):
            continue
        speaker, colon, rest = line.partition(":")
        if not colon or speaker.strip() not in VOICES:
            raise ValueError(f"{path.name}:{number}: expected `agent: text` or `caller: text`")
        text, _, spoken = (part.strip() for part in rest.partition("=>"))
        sentences.append(Sentence(speaker.strip(), text, spoken or text))
    return sentences


def synthesise(sentence: Sentence, flite: str) -> tuple[Samples, int]:
    """What flite says, full scale 1.0, and the samples a second."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "out.wav"
        command = [flite, "-voice", VOICES[sentence.speaker], "-t", sentence.spoken, "-o", str(path)]
        subprocess.run(command, check=True, timeout=60)
        recorded = path.read_bytes()
    with wave.open(io.BytesIO(recorded)) as file:
        rate = file.getframerate()
        samples = np.frombuffer(file.readframes(file.getnframes()), dtype="<i2").astype(np.float64) / 32768
    return samples, rate


def telephone_band(samples: Samples, rate: int) -> Samples:
    """At 8 kHz, and only the band of a telephone line, with soft edges.

    The whole file is one block, so its spectrum can simply be cut; it is padded, for that is circular.
    """
    length = -(-(len(samples) + rate // 10) // (rate // 100)) * (rate // 100)
    hertz = np.fft.rfftfreq(length, 1 / rate)
    low, high = BAND_HZ
    gain = 1 / (1 + (low / np.maximum(hertz, 1.0)) ** 8) / (1 + (hertz / high) ** 40)
    spectrum = np.fft.rfft(samples, length) * gain
    reached = length * ulaw.RATE // rate
    return np.fft.irfft(spectrum[: reached // 2 + 1], reached) * (ulaw.RATE / rate)


def active_frames(samples: Samples) -> npt.NDArray[np.bool_]:
    """For each 10 ms, whether there is speech: within 35 dB of the loudest 10 ms."""
    frame = ulaw.RATE // 100
    count = -(-len(samples) // frame)
    padded = np.pad(samples, (0, count * frame - len(samples))).reshape(count, frame)
    power = (padded**2).mean(axis=1)
    return np.asarray(power > power.max() * 10**-3.5, dtype=np.bool_)


def tidy(samples: Samples) -> Samples:
    """Trims the ends and shortens the pauses."""
    frame = ulaw.RATE // 100
    active = np.flatnonzero(active_frames(samples))
    margin, longest = round(MARGIN * 100), round(LONGEST_PAUSE * 100)
    keep = np.zeros(-(-len(samples) // frame), dtype=np.bool_)
    for before, after in zip(active, [*active[1:], active[-1] + 1], strict=True):
        keep[before : min(after, before + longest // 2)] = True
        keep[max(before, after - longest // 2) : after] = True
    keep[max(0, active[0] - margin) : active[0]] = True
    keep[active[-1] : active[-1] + margin + 1] = True
    kept = samples[np.repeat(keep, frame)[: len(samples)]]
    fade = np.minimum(1.0, np.arange(1, len(kept) + 1) / 40)
    return kept * fade * fade[::-1]


def level(samples: Samples) -> ulaw.Pcm:
    """Sets the speech to the usual level, with its peaks within range."""
    active = np.repeat(active_frames(samples), ulaw.RATE // 100)[: len(samples)]
    samples = samples * 10 ** (ACTIVE_DBFS / 20) / np.sqrt((samples[active] ** 2).mean())
    peak = np.abs(samples).max()
    if peak > PEAK:
        samples = samples * (PEAK / peak)
    return np.round(samples * 32767).astype(np.int16)


def render(sentence: Sentence, flite: str) -> bytes:
    """One sentence as mu-law bytes."""
    return ulaw.encode(level(tidy(telephone_band(*synthesise(sentence, flite)))))


def main() -> int:
    flite = shutil.which("flite")
    if flite is None:
        print("flite is not installed (Debian: apt-get install flite)", file=sys.stderr)
        return 1
    CLIPS.mkdir(exist_ok=True)
    for old in CLIPS.glob("*.ulaw"):
        old.unlink()
    index = []
    for sentence in read_sentences(SENTENCES):
        audio = render(sentence, flite)
        slug = "-".join(key_of(sentence.text).replace("'", "").split()[:6])
        name = f"{sentence.speaker}-{slug}.ulaw"
        (CLIPS / name).write_bytes(audio)
        digest = hashlib.sha256(audio).hexdigest()
        entry = {"speaker": sentence.speaker, "text": sentence.text, "file": name, "sha256": digest}
        index.append({**entry, "seconds": round(len(audio) / ulaw.RATE, 3)})
    if len({entry["file"] for entry in index}) != len(index):
        print("two sentences have the same first six words", file=sys.stderr)
        return 1
    text = json.dumps(index, indent=1, ensure_ascii=False) + "\n"
    (CLIPS / "index.json").write_text(text, encoding="utf-8")
    print(f"{len(index)} clips, {sum(float(str(entry['seconds'])) for entry in index):.1f} s")
    return 0


if __name__ == "__main__":
    sys.exit(main())
