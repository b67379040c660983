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

from agenticd.emulator.voice import ulaw
from agenticd.emulator.voice.telephone import Samples, as_heard
from agenticd.emulator.voice.texts import key_of

HERE = Path(__file__).parent
CLIPS = HERE / "clips"
SENTENCES = HERE / "sentences.txt"
VOICES = {"agent": "slt", "caller": "rms"}  # flite's CMU Arctic voices, a woman's and a man's


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


def render(sentence: Sentence, flite: str) -> bytes:
    """One sentence as mu-law bytes."""
    return ulaw.encode(as_heard(*synthesise(sentence, flite)))


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
