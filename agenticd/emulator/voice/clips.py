"""The checked-in clips: sentences that flite spoke, as 8 kHz mu-law (render_clips.py made them)."""

from __future__ import annotations

import functools
import json
from collections.abc import Mapping
from dataclasses import dataclass
from importlib import resources
from types import MappingProxyType
from typing import Literal, TypeAlias

from agenticd.emulator.voice.texts import key_of

Speaker: TypeAlias = Literal["agent", "caller"]

SPEAKERS: Mapping[str, Speaker] = MappingProxyType({"agent": "agent", "caller": "caller"})


@dataclass(frozen=True, slots=True)
class Clip:
    """One sentence in one voice; `ulaw` is 8 kHz mono mu-law."""

    speaker: Speaker
    text: str
    ulaw: bytes
    sha256: str


@functools.cache
def load_clips() -> tuple[Clip, ...]:
    """All clips, in the order of sentences.txt; read once a process."""
    folder = resources.files(__package__) / "clips"
    entries: list[dict[str, str]] = json.loads((folder / "index.json").read_text(encoding="utf-8"))
    return tuple(
        Clip(SPEAKERS[entry["speaker"]], entry["text"], (folder / entry["file"]).read_bytes(), entry["sha256"])
        for entry in entries
    )


@functools.cache
def clip_index() -> Mapping[tuple[Speaker, str], Clip]:
    """The clips by speaker and normalised text."""
    return MappingProxyType({(clip.speaker, key_of(clip.text)): clip for clip in load_clips()})
