"""Messages: items of model calls as parts of OpenTelemetry's messages, and back. Pure.

OpenTelemetry's messages are `[{"role": "user", "parts": [{"type": "text", "content": "…"}]}]`.
Ours are items as the model's own API has them: chat messages, or items of the Responses API.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

import orjson

_TEXTS = ("text", "input_text", "output_text", "refusal")
_ROLES = {"developer": "system"}


def to_messages(items: Any, *, role: str) -> list[dict[str, Any]]:
    """Items as messages of parts; what says no role has this one. Nothing is left out."""
    if isinstance(items, Mapping):
        items = [items]
    if not isinstance(items, list):
        return [{"role": role, "parts": [_text(items)]}]
    return [_message(item, role) for item in items]


def to_system(instructions: Any) -> list[dict[str, Any]]:
    """Instructions as parts."""
    if isinstance(instructions, list):
        return list(_content_parts(instructions))
    return [_text(instructions)]


def to_tools(tools: Any) -> list[dict[str, Any]]:
    """Tool definitions, flat: chat completions nest them under `function`."""
    found = []
    for tool in tools if isinstance(tools, list) else ():
        if isinstance(tool, Mapping):
            inner = tool.get("function")
            if isinstance(inner, Mapping):
                found.append({"type": tool.get("type", "function"), **inner})
            else:
                found.append(dict(tool))
    return found


def from_messages(messages: Any) -> Any:
    """Messages of parts as items; what is no message stays as it is."""
    if not isinstance(messages, list):
        return messages
    items: list[Any] = []
    for message in messages:
        if _is(message) and isinstance(message.get("parts"), list):
            items += _items(message)
        else:
            items.append(message)
    return items


def from_system(parts: Any) -> Any:
    """Parts of instructions as a text where they are that."""
    if isinstance(parts, list) and parts:
        texts = [part.get("content") for part in parts if _is(part) and part.get("type") == "text"]
        if len(texts) == len(parts) and all(isinstance(text, str) for text in texts):
            return "\n".join(texts)
    return parts


def _message(item: Any, role: str) -> dict[str, Any]:
    if not _is(item):
        return {"role": role, "parts": [_text(item)]}
    kind = item.get("type")
    if kind == "function_call":
        return {"role": "assistant", "parts": [_tool_call(item.get("call_id"), item)]}
    if kind == "function_call_output":
        return {"role": "tool", "parts": [_tool_result(item.get("call_id"), item.get("output"))]}
    if kind == "reasoning":
        return {"role": "assistant", "parts": list(_reasoning(item))}
    if "role" not in item:
        return {"role": role, "parts": [dict(item) if isinstance(kind, str) else _text(item)]}
    return _chat_message(item)


def _chat_message(item: Mapping[str, Any]) -> dict[str, Any]:
    role = item["role"] if isinstance(item["role"], str) else "user"
    role = _ROLES.get(role, role)
    if role == "tool":
        parts = [_tool_result(item.get("tool_call_id"), item.get("content"))]
    else:
        parts = list(_content_parts(item.get("content")))
        calls = item.get("tool_calls")
        for call in calls if isinstance(calls, list) else ():
            if _is(call) and _is(call.get("function")):
                parts.append(_tool_call(call.get("id"), call["function"]))
    message: dict[str, Any] = {"role": role, "parts": parts}
    if isinstance(item.get("name"), str):
        message["name"] = item["name"]
    return message


def _content_parts(content: Any) -> Iterator[dict[str, Any]]:
    if content is None:
        return
    if not isinstance(content, list):
        yield _text(content)
        return
    for part in content:
        if not _is(part):
            yield _text(part)
        elif part.get("type") in _TEXTS:
            yield _text(part.get("text", part.get("refusal")))
        elif part.get("type") in ("input_image", "image_url"):
            yield _image(part)
        else:
            yield dict(part) if isinstance(part.get("type"), str) else _text(part)


def _image(part: Mapping[str, Any]) -> dict[str, Any]:
    url = part.get("image_url")
    if isinstance(url, Mapping):
        url = url.get("url")
    if not isinstance(url, str):
        return dict(part)
    if url.startswith("data:"):  # what is in place is no address
        kind, _, data = url[5:].partition(",")
        mime = kind.partition(";")[0]
        return {"type": "blob", "modality": "image", "mime_type": mime, "content": data}
    return {"type": "uri", "modality": "image", "uri": url}


def _reasoning(item: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
    found = False
    for key in ("summary", "content"):
        parts = item.get(key)
        for part in parts if isinstance(parts, list) else ():
            if _is(part) and isinstance(part.get("text"), str):
                found = True
                yield {"type": "reasoning", "content": part["text"]}
    if not found:
        yield {"type": "reasoning", "content": ""}


def _tool_call(identity: Any, call: Mapping[str, Any]) -> dict[str, Any]:
    name = call.get("name")
    part = {"type": "tool_call", "name": name if isinstance(name, str) else ""}
    if isinstance(identity, str):
        part["id"] = identity
    return part | {"arguments": structured(call.get("arguments"))}


def _tool_result(identity: Any, result: Any) -> dict[str, Any]:
    part = {"type": "tool_call_response", "response": result}
    return part | {"id": identity} if isinstance(identity, str) else part


def structured(value: Any) -> Any:
    """A value as it is, or what it says where it is a text of a JSON object or array."""
    if isinstance(value, str) and value[:1] in ("{", "["):
        try:
            return orjson.loads(value)
        except orjson.JSONDecodeError:
            return value
    return value


def _items(message: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
    """A message's parts as items of the Responses API, and its text as one message."""
    role = message.get("role") if isinstance(message.get("role"), str) else "user"
    content: list[dict[str, Any]] = []
    others: list[dict[str, Any]] = []
    for part in _mappings(message["parts"]):
        match part.get("type"):
            case "text":
                content.append({"type": "text", "text": part.get("content", "")})
            case "tool_call":
                others.append(_call_item(part))
            case "tool_call_response":
                others.append(_result_item(part))
            case "reasoning" | "thinking":
                summary = [{"type": "summary_text", "text": part.get("content", "")}]
                others.append({"type": "reasoning", "summary": summary})
            case _:
                content.append(dict(part))
    if content:
        text = content[0]["text"] if len(content) == 1 and "text" in content[0] else content
        yield {"role": role, "content": text}
    yield from others


def _call_item(part: Mapping[str, Any]) -> dict[str, Any]:
    arguments = part.get("arguments")
    if not isinstance(arguments, str):
        arguments = orjson.dumps(arguments if arguments is not None else {}).decode()
    return {
        "type": "function_call",
        "call_id": part.get("id"),
        "name": part.get("name"),
        "arguments": arguments,
    }


def _result_item(part: Mapping[str, Any]) -> dict[str, Any]:
    output = part.get("response", part.get("result"))
    return {"type": "function_call_output", "call_id": part.get("id"), "output": output}


def _mappings(values: Iterable[Any]) -> Iterator[Mapping[str, Any]]:
    return (value for value in values if _is(value))


def _text(value: Any) -> dict[str, Any]:
    text = value if isinstance(value, str) else orjson.dumps(value).decode()
    return {"type": "text", "content": text}


def _is(value: Any) -> bool:
    return isinstance(value, Mapping)
