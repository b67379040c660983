"""A session's configuration: its defaults, what `session.update` may say, what a response may override."""

from __future__ import annotations

import copy
from collections.abc import Mapping
from typing import cast

from agenticd.emulator.realtime import schema
from agenticd.emulator.realtime.formats import FORMATS, PCM, AudioFormat
from agenticd.emulator.realtime.schema import Check, ClientError, JsonObject, JsonValue
from agenticd.emulator.realtime.turns import TurnDetection

VOICES = ("alloy", "ash", "ballad", "coral", "echo", "sage", "shimmer", "verse", "marin", "cedar")
TRANSCRIPTION_MODELS = (
    "whisper-1",
    "gpt-transcribe",
    "gpt-live-transcribe",
    "gpt-4o-transcribe",
    "gpt-4o-mini-transcribe",
    "gpt-4o-mini-transcribe-2025-12-15",
    "gpt-4o-transcribe-diarize",
    "gpt-realtime-whisper",
)
DEFAULT_INSTRUCTIONS = "You are a helpful, friendly voice assistant. Answer briefly."

_SEMANTIC_SILENCE_MS = {"low": 1200, "medium": 700, "auto": 700, "high": 400}
"""How long semantic_vad waits here. It has no model of meaning: it is server_vad with a patience."""

_SERVER_VAD_DEFAULTS: JsonObject = {
    "type": "server_vad",
    "threshold": 0.5,
    "prefix_padding_ms": 300,
    "silence_duration_ms": 200,  # the schema says 500, sessions are seen with 200: clients set it themselves
    "idle_timeout_ms": None,
    "create_response": True,
    "interrupt_response": True,
}
_SEMANTIC_VAD_DEFAULTS: JsonObject = {
    "type": "semantic_vad",
    "eagerness": "auto",
    "create_response": True,
    "interrupt_response": True,
}


def _modalities(value: JsonValue, path: str) -> JsonValue:
    checked = schema.listing(schema.choice("text", "audio"))(value, path)
    if checked not in (["text"], ["audio"]):
        message = f"Invalid modalities: {checked}. Supported combinations are: ['text'] and ['audio']."
        raise ClientError("invalid_value", message, path)
    return checked


def _tokens(value: JsonValue, path: str) -> JsonValue:
    return value if value == "inf" else schema.number(1, 4096, whole=True)(value, path)


def _voice(value: JsonValue, path: str) -> JsonValue:
    if isinstance(value, dict):
        return schema.record({"id": schema.text(pattern="voice_.+")}, {})(value, path)
    return schema.choice(*VOICES)(value, path)


def _rate(value: JsonValue, path: str) -> JsonValue:
    if value != 24000 or isinstance(value, bool):
        message = f"Invalid value: {value}. Only a sample rate of 24000 is supported for audio/pcm."
        raise ClientError("invalid_value", message, path)
    return value


def _prompt(value: JsonValue, path: str) -> JsonValue:
    optional = {"version": schema.nullable(schema.text()), "variables": schema.nullable(schema.mapping)}
    checked = cast("JsonObject", schema.record({"id": schema.text()}, optional)(value, path))
    raise ClientError("prompt_not_found", f"Prompt with id '{checked['id']}' not found.", f"{path}.id")


def _mcp(value: JsonValue, path: str) -> JsonValue:
    raise ClientError("invalid_value", "The emulator has no MCP tools; use function tools.", f"{path}.type")


def _unless_auto(inner: Check, *words: str) -> Check:
    word = schema.choice(*words)
    return lambda value, path: (word if isinstance(value, str) else inner)(value, path)


def _transcription(value: JsonValue, path: str) -> JsonValue:
    checked = cast("JsonObject", _TRANSCRIPTION(value, path))
    model = checked["model"]
    for name, supported in (
        ("languages", ("gpt-transcribe", "gpt-live-transcribe")),
        ("keywords", ("gpt-transcribe", "gpt-live-transcribe")),
        ("delay", ("gpt-realtime-whisper",)),
    ):
        if name in checked and model not in supported:
            message = f"'{name}' is not supported by the transcription model '{model}'."
            raise ClientError("invalid_value", message, f"{path}.{name}")
    if "prompt" in checked and model == "gpt-realtime-whisper":
        message = f"'prompt' is not supported by the transcription model '{model}'."
        raise ClientError("invalid_value", message, f"{path}.prompt")
    return checked


def _session_type(value: JsonValue, path: str) -> JsonValue:
    if value == "transcription":
        message = "Passing a transcription session update event to a realtime session is not allowed."
        raise ClientError("invalid_parameter", message, path)
    return schema.choice("realtime")(value, path)


_FUNCTION = schema.record(
    {"type": schema.choice("function"), "name": schema.text(64, "[a-zA-Z0-9_-]+")},
    {"description": schema.text(), "parameters": schema.mapping},
)
_TOOLS = schema.listing(schema.tagged("type", {"function": _FUNCTION, "mcp": _mcp}))
_CHOSEN_TOOL = schema.tagged(
    "type",
    {
        "function": schema.record({"type": schema.anything, "name": schema.text()}, {}),
        "mcp": _mcp,
    },
)
_FORMAT = schema.tagged(
    "type",
    {
        # The rate is required for PCM, and an unknown parameter for the others.
        "audio/pcm": schema.record({"type": schema.anything, "rate": _rate}, {}),
        "audio/pcmu": schema.record({"type": schema.anything}, {}),
        "audio/pcma": schema.record({"type": schema.anything}, {}),
    },
)
_TURN_DETECTION = schema.tagged(
    "type",
    {
        "server_vad": schema.record(
            {"type": schema.anything},
            {
                "threshold": schema.number(0, 1),
                "prefix_padding_ms": schema.number(0, 10_000, whole=True),
                "silence_duration_ms": schema.number(0, 60_000, whole=True),
                "idle_timeout_ms": schema.nullable(schema.number(5000, 30_000, whole=True)),
                "create_response": schema.boolean,
                "interrupt_response": schema.boolean,
            },
        ),
        "semantic_vad": schema.record(
            {"type": schema.anything},
            {
                "eagerness": schema.choice("low", "medium", "high", "auto"),
                "create_response": schema.boolean,
                "interrupt_response": schema.boolean,
            },
        ),
    },
)
_TRANSCRIPTION = schema.record(
    {"model": schema.choice(*TRANSCRIPTION_MODELS)},
    {
        "language": schema.text(pattern="[a-z]{2,3}(-[A-Za-z]+)?"),
        "languages": schema.listing(schema.text()),
        "prompt": schema.text(),
        "keywords": schema.listing(schema.text()),
        "delay": schema.choice("minimal", "low", "medium", "high", "xhigh"),
    },
)
_NOISE_REDUCTION = schema.record({"type": schema.choice("near_field", "far_field")}, {"strength": schema.number(0, 1)})
_TRUNCATION = schema.record(
    {"type": schema.choice("retention_ratio"), "retention_ratio": schema.number(0, 1)},
    {"token_limits": schema.record({}, {"post_instructions": schema.number(0, 128_000, whole=True)})},
)
_TRACING = schema.record({}, {"workflow_name": schema.text(), "group_id": schema.text(), "metadata": schema.mapping})
_REASONING = schema.record({}, {"effort": schema.choice("minimal", "low", "medium", "high", "xhigh")})
_SHARED: Mapping[str, Check] = {  # by sessions and responses
    "instructions": schema.text(),
    "output_modalities": _modalities,
    "tools": _TOOLS,
    "tool_choice": _unless_auto(_CHOSEN_TOOL, "auto", "none", "required"),
    "parallel_tool_calls": schema.boolean,
    "reasoning": schema.nullable(_REASONING),
    "max_output_tokens": _tokens,
    "prompt": schema.nullable(_prompt),
}

SESSION_UPDATE = schema.record(
    {"type": _session_type},
    {
        **_SHARED,
        "model": schema.text(),
        "audio": schema.record(
            {},
            {
                "input": schema.record(
                    {},
                    {
                        "format": _FORMAT,
                        "noise_reduction": schema.nullable(_NOISE_REDUCTION),
                        "transcription": schema.nullable(_transcription),
                        "turn_detection": schema.nullable(_TURN_DETECTION),
                    },
                ),
                "output": schema.record({}, {"format": _FORMAT, "voice": _voice, "speed": schema.number(0.25, 1.5)}),
            },
        ),
        "truncation": _unless_auto(_TRUNCATION, "auto", "disabled"),
        "tracing": schema.nullable(_unless_auto(_TRACING, "auto")),
        "include": schema.nullable(schema.listing(schema.choice("item.input_audio_transcription.logprobs"))),
    },
)


def _metadata(value: JsonValue, path: str) -> JsonValue:
    checked = cast("JsonObject", schema.mapping(value, path))
    if len(checked) > 16:
        raise ClientError("invalid_value", f"Invalid '{path}': too many properties. Expected at most 16.", path)
    for name, entry in checked.items():
        schema.text(64)(name, f"{path}.{name}")
        schema.text(512)(entry, f"{path}.{name}")
    return checked


RESPONSE_PARAMS: Mapping[str, Check] = {
    **_SHARED,
    "conversation": schema.choice("auto", "none"),
    "metadata": schema.nullable(_metadata),
    "audio": schema.record({}, {"output": schema.record({}, {"format": _FORMAT, "voice": _voice})}),
}
"""All that `response.create` may say, but for `input`, which is made of items."""


class Settings:
    """The effective configuration of one session, in the shape of the wire."""

    def __init__(self, session_id: str, model: str, expires_at: int) -> None:
        self._data: JsonObject = {
            "type": "realtime",
            "object": "realtime.session",
            "id": session_id,
            "model": model,
            "output_modalities": ["audio"],
            "instructions": DEFAULT_INSTRUCTIONS,
            "tools": [],
            "tool_choice": "auto",
            "max_output_tokens": "inf",
            "tracing": None,
            "truncation": "auto",
            "prompt": None,
            "expires_at": expires_at,
            "audio": {
                "input": {
                    "format": PCM.to_json(),
                    "transcription": None,
                    "noise_reduction": None,
                    "turn_detection": dict(_SERVER_VAD_DEFAULTS),
                },
                "output": {"format": PCM.to_json(), "voice": "alloy", "speed": 1.0},
            },
            "include": None,
        }

    def to_json(self) -> JsonObject:
        """The session as the wire shows it, a copy."""
        return copy.deepcopy(self._data)

    def update(self, change: JsonObject, *, spoken: JsonValue, responding: bool) -> None:
        """Merges a checked `session.update`; all of it or, with a ClientError, nothing."""
        self._refuse(change, spoken=spoken, responding=responding)
        self._data = cast("JsonObject", _merged(self._data, change))
        heard = self._audio("input")
        detection, reduction = heard["turn_detection"], heard["noise_reduction"]
        if isinstance(detection, dict):
            server = detection["type"] == "server_vad"
            heard["turn_detection"] = {**(_SERVER_VAD_DEFAULTS if server else _SEMANTIC_VAD_DEFAULTS), **detection}
        if isinstance(reduction, dict):
            heard["noise_reduction"] = {"strength": 1.0, **reduction}

    def _refuse(self, change: JsonObject, *, spoken: JsonValue, responding: bool) -> None:
        if change.get("model", self.model) != self.model:
            message = f"The model of a session cannot be changed; it is '{self.model}'."
            raise ClientError("invalid_value", message, "session.model")
        refuse_reasoning(self.model, change, "session")
        if self._data["tracing"] is not None and change.get("tracing", self._data["tracing"]) != self._data["tracing"]:
            raise ClientError("invalid_value", "Tracing cannot be modified once it is on.", "session.tracing")
        audio = cast("dict[str, JsonObject]", change.get("audio", {}))
        output = audio.get("output", {})
        if output.get("voice", self.voice) != self.voice:
            refuse_other_voice(spoken, output["voice"])
        speed = self._audio("output")["speed"]
        if responding and output.get("speed", speed) != speed:
            message = "The speed cannot be changed while a response is in progress."
            raise ClientError("invalid_value", message, "session.audio.output.speed")

    def _audio(self, side: str) -> JsonObject:
        return cast("dict[str, JsonObject]", self._data["audio"])[side]

    @property
    def model(self) -> str:
        """The model that the client asked for."""
        return cast("str", self._data["model"])

    @property
    def instructions(self) -> str:
        """The session's instructions."""
        return cast("str", self._data["instructions"])

    @property
    def voice(self) -> JsonValue:
        """A voice's name, or `{"id": …}`."""
        return self._audio("output")["voice"]

    @property
    def input_format(self) -> AudioFormat:
        """How appended audio is read."""
        return format_of(self._audio("input")["format"])

    @property
    def output_format(self) -> AudioFormat:
        """How the answer's audio is written."""
        return format_of(self._audio("output")["format"])

    @property
    def truncation(self) -> JsonValue:
        """`auto`, `disabled`, or how much is kept of a conversation that is too long."""
        return self._data["truncation"]

    @property
    def logprobs(self) -> bool:
        """Whether transcriptions say how sure they are."""
        return bool(self._data["include"])

    @property
    def transcription_model(self) -> str | None:
        """The model that transcribes the caller; None: nobody does."""
        chosen = self._audio("input")["transcription"]
        return cast("str", chosen["model"]) if isinstance(chosen, dict) else None

    @property
    def turn_detection(self) -> TurnDetection | None:
        """None: the client commits by itself."""
        chosen = self._audio("input")["turn_detection"]
        if not isinstance(chosen, dict):
            return None
        if chosen["type"] == "semantic_vad":
            return TurnDetection(
                silence_duration_ms=_SEMANTIC_SILENCE_MS[cast("str", chosen["eagerness"])],
                create_response=bool(chosen["create_response"]),
                interrupt_response=bool(chosen["interrupt_response"]),
            )
        return TurnDetection(
            threshold=cast("float", chosen["threshold"]),
            prefix_padding_ms=cast("int", chosen["prefix_padding_ms"]),
            silence_duration_ms=cast("int", chosen["silence_duration_ms"]),
            create_response=bool(chosen["create_response"]),
            interrupt_response=bool(chosen["interrupt_response"]),
            idle_timeout_ms=cast("int | None", chosen["idle_timeout_ms"]),
        )


_NO_REASONING = ("gpt-realtime-1", "gpt-realtime-mini", "gpt-realtime-2025", "gpt-audio")


def refuse_reasoning(model: str, params: JsonObject, path: str) -> None:
    """ClientError if this asks for what only models that reason can do, and the model is none of them."""
    reasons = model != "gpt-realtime" and not model.startswith(_NO_REASONING)
    for name in ("reasoning", "parallel_tool_calls"):
        if not reasons and params.get(name) is not None:
            raise ClientError("invalid_value", f"'{name}' is not supported by the model '{model}'.", f"{path}.{name}")


def _merged(before: JsonValue, change: JsonValue, name: str = "") -> JsonValue:
    """What is there, with what a change says of it. An object of another type or model is a new one, but for the types
    of noise reduction, which have the same members."""
    if not isinstance(before, dict) or not isinstance(change, dict):
        return change
    other = any(before.get(kind) != change[kind] for kind in ("type", "model") if kind in change)
    if other and name != "noise_reduction":
        return change
    return {**before, **{member: _merged(before.get(member), value, member) for member, value in change.items()}}


def refuse_other_voice(spoken: JsonValue, voice: JsonValue) -> None:
    """ClientError if the session has been heard in another voice than this one."""
    if spoken is not None and voice != spoken:
        message = "Cannot update a conversation's voice if assistant audio is present."
        raise ClientError("cannot_update_voice", message)


def format_of(value: JsonValue) -> AudioFormat:
    """The format of a checked `{"type": …}`."""
    return FORMATS[cast("str", cast("JsonObject", value)["type"])]
