"""The functions that a response may call, and one that it must: `tools` and `tool_choice`."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import cast

from agenticd.emulator.realtime.schema import ClientError, JsonObject, JsonValue

_DEEPEST = 8


@dataclass(frozen=True, slots=True)
class Tools:
    """`must` are the names of which one has to be called; empty: the model is free."""

    functions: tuple[JsonObject, ...] = ()
    must: tuple[str, ...] = ()

    @property
    def names(self) -> tuple[str, ...]:
        """What can be called."""
        return tuple(cast("str", function["name"]) for function in self.functions)

    @classmethod
    def of(cls, tools: JsonValue, choice: JsonValue) -> Tools:
        """From checked settings. ClientError if the choice is not among the tools."""
        functions = tuple(cast("list[JsonObject]", tools))
        known = cls(functions)
        match choice:
            case "none":
                return cls()
            case "required":
                if not functions:
                    raise ClientError("invalid_value", "Tool choice 'required' needs tools.", "tool_choice")
                return cls(functions, known.names)
            case {"name": str(name)}:
                if name not in known.names:
                    message = f"Tool choice '{name}' not found in 'tools' parameter."
                    raise ClientError("invalid_value", message, "tool_choice")
                return cls(functions, (name,))
            case _:
                return known

    def example(self) -> tuple[str, str]:
        """The call of one that must be called, where nobody said with what: name and arguments."""
        name = self.must[0]
        function = next(function for function in self.functions if function["name"] == name)
        return name, json.dumps(_example(function.get("parameters", {}), 0))


def _example(schema: JsonValue, depth: int) -> JsonValue:
    """A value that a plain JSON schema takes: only what is required, and the first of what is listed."""
    if not isinstance(schema, dict) or depth > _DEEPEST:
        return {}
    for word in ("const", "default"):
        if word in schema:
            return schema[word]
    listed = schema.get("enum")
    if isinstance(listed, list) and listed:
        return listed[0]
    kind = schema.get("type", "object")
    match kind[0] if isinstance(kind, list) and kind else kind:
        case "string":
            return ""
        case "integer" | "number":
            least = schema.get("minimum", 0)
            return least if isinstance(least, (int, float)) else 0
        case "boolean":
            return False
        case "array":
            return []
        case "null":
            return None
        case _:
            return _example_of_object(schema, depth)


def _example_of_object(schema: JsonObject, depth: int) -> JsonObject:
    members, required = schema.get("properties"), schema.get("required")
    if not isinstance(members, dict) or not isinstance(required, list):
        return {}
    return {name: _example(members[name], depth + 1) for name in required if isinstance(name, str) and name in members}
