"""How one response is made, as its session and its `response.create` say. response.py makes it."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import cast

from agenticd.emulator.realtime.brain import is_check_in, ordered_text
from agenticd.emulator.realtime.formats import AudioFormat
from agenticd.emulator.realtime.items import Item
from agenticd.emulator.realtime.schema import JsonObject, JsonValue
from agenticd.emulator.realtime.settings import Settings, format_of, refuse_other_voice, refuse_reasoning
from agenticd.emulator.realtime.tools import Tools
from agenticd.emulator.realtime.usage import retained, text_tokens


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """How this response is made: the session's settings, as `response.create` overrides them."""

    modality: str
    instructions: str
    order: str | None
    tools: Tools
    preamble: int
    """The tokens of what the model reads before all items: its instructions and tools."""
    most_tokens: int | None
    output_format: AudioFormat
    voice: JsonValue
    metadata: JsonValue
    in_conversation: bool
    own_input: bool
    """It answers items of its own instead of the conversation."""
    items: tuple[Item, ...]
    """What it answers, as far as the model reads it."""
    cut: bool
    """The model does not read all of it."""
    idle: bool = False

    @classmethod
    def of(
        cls,
        settings: Settings,
        params: JsonObject,
        given: Sequence[Item] | None,
        conversation: Sequence[Item],
        *,
        spoken: JsonValue = None,
        idle: bool = False,
    ) -> Plan:
        """From a session's settings and the checked parameters of a `response.create`; ClientError if they clash.

        `spoken` is the voice that the session has been heard in; it stays that one.
        """
        refuse_reasoning(settings.model, params, "response")
        whole = conversation if given is None else given
        items = retained(whole, settings.model, settings.truncation)
        session = {**settings.to_json(), **{name: value for name, value in params.items() if name != "audio"}}
        audio = cast("dict[str, JsonObject]", params.get("audio", {})).get("output", {})
        voice = audio.get("voice", spoken or settings.voice)
        refuse_other_voice(spoken, voice)
        most = session["max_output_tokens"]
        ordered = cast("str", params.get("instructions", ""))
        tools = json.dumps(session["tools"]) if session["tools"] else ""
        return cls(
            modality=cast("list[str]", session["output_modalities"])[0],
            instructions=cast("str", session["instructions"]),
            order=ordered_text(ordered),
            tools=Tools.of(session["tools"], session["tool_choice"]),
            preamble=text_tokens(cast("str", session["instructions"])) + text_tokens(tools),
            most_tokens=most if isinstance(most, int) else None,
            output_format=format_of(audio["format"]) if "format" in audio else settings.output_format,
            voice=voice,
            metadata=params.get("metadata"),
            in_conversation=params.get("conversation", "auto") == "auto",
            own_input=given is not None,
            items=items,
            cut=len(items) < len(whole),
            idle=idle or is_check_in(ordered),
        )
