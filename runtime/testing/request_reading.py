"""Reads what a model was asked, the same for both APIs and for `ScriptedModel`."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any


def last_user_text(items: str | Sequence[Mapping[str, Any]]) -> str:
    """Return the last thing the user said, or an empty string."""
    if isinstance(items, str):
        return items
    said = [item for item in items if item.get("role") == "user"]
    return content_text(said[-1].get("content")) if said else ""


def tool_outputs(items: str | Sequence[Mapping[str, Any]]) -> list[str]:
    """Return what tools returned since the user last spoke, oldest first."""
    if isinstance(items, str):
        return []
    outputs: list[str] = []
    for item in items:
        if item.get("role") == "user":
            outputs = []
        elif item.get("type") == "function_call_output":
            outputs.append(content_text(item.get("output")))
        elif item.get("role") == "tool":
            outputs.append(content_text(item.get("content")))
    return outputs


def tool_names(tools: Iterable[Mapping[str, Any]]) -> list[str]:
    """Return the names of wire tools: those of functions, and the types of hosted ones."""
    return [
        str(tool.get("name") or tool.get("function", {}).get("name") or tool.get("type"))
        for tool in tools
    ]


def content_text(content: Any) -> str:
    """Return the text in a message's content, be it a string or a list of parts."""
    if isinstance(content, str):
        return content
    if not isinstance(content, Sequence):
        return ""
    return "".join(str(part.get("text", "")) for part in content if isinstance(part, Mapping))
