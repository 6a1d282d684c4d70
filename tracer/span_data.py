"""What a span is about: one class for each type of span.

Two views of the same data. `export()` is the wire format of OpenAI's tracing backend, whose field
names other tools know. `record()` is what the local store keeps: everything, nothing cut.
"""

from __future__ import annotations

import abc
from collections.abc import Mapping, Sequence
from typing import Any

from tracer.encoding import describe, plain

Json = dict[str, Any]


class SpanData(abc.ABC):
    """Data of one span. Attributes may be set until the span ends."""

    __slots__ = ()

    @property
    @abc.abstractmethod
    def type(self) -> str:
        """The type of the span, such as `function`."""

    @abc.abstractmethod
    def export(self) -> Json:
        """The data in OpenAI's wire format."""

    def record(self) -> Json:
        """The data whole, as the local store keeps it."""
        return self.export()


class AgentSpanData(SpanData):
    """One agent at work: from its first turn to its answer or its handoff."""

    __slots__ = ("handoffs", "metadata", "name", "output_type", "tools")

    def __init__(
        self,
        name: str,
        handoffs: list[str] | None = None,
        tools: list[str] | None = None,
        output_type: str | None = None,
        metadata: Json | None = None,
    ) -> None:
        self.name = name
        self.handoffs = handoffs
        self.tools = tools
        self.output_type = output_type
        self.metadata = metadata

    @property
    def type(self) -> str:
        """`agent`."""
        return "agent"

    def export(self) -> Json:
        """The data in OpenAI's wire format."""
        return {
            "type": self.type,
            "name": self.name,
            "handoffs": self.handoffs,
            "tools": self.tools,
            "output_type": self.output_type,
        }

    def record(self) -> Json:
        """The data whole."""
        return {
            "type": self.type,
            "name": self.name,
            "handoffs": self.handoffs,
            "tool_names": self.tools,
            "output_type": self.output_type,
            **_given(metadata=self.metadata),
        }


class TaskSpanData(SpanData):
    """One call of the runner, from input to result."""

    __slots__ = ("metadata", "name", "usage")

    def __init__(self, name: str, usage: Json | None = None, metadata: Json | None = None) -> None:
        self.name = name
        self.usage = usage
        self.metadata = metadata

    @property
    def type(self) -> str:
        """`task`."""
        return "task"

    def export(self) -> Json:
        """The data in OpenAI's wire format, which knows tasks as custom spans."""
        data = {"sdk_span_type": self.type, "name": self.name, **_given(usage=self.usage)}
        return {"type": "custom", "name": self.type, "data": data}

    def record(self) -> Json:
        """The data whole."""
        return {
            "type": self.type,
            "name": self.name,
            **_given(usage=self.usage, metadata=self.metadata),
        }


class TurnSpanData(SpanData):
    """One turn of the loop: a model call and what it asked for."""

    __slots__ = ("agent_name", "metadata", "turn", "usage")

    def __init__(
        self,
        turn: int,
        agent_name: str,
        usage: Json | None = None,
        metadata: Json | None = None,
    ) -> None:
        self.turn = turn
        self.agent_name = agent_name
        self.usage = usage
        self.metadata = metadata

    @property
    def type(self) -> str:
        """`turn`."""
        return "turn"

    def export(self) -> Json:
        """The data in OpenAI's wire format, which knows turns as custom spans."""
        data = {
            "sdk_span_type": self.type,
            "turn": self.turn,
            "agent_name": self.agent_name,
            **_given(usage=self.usage),
        }
        return {"type": "custom", "name": self.type, "data": data}

    def record(self) -> Json:
        """The data whole."""
        return {
            "type": self.type,
            "name": f"turn {self.turn}",
            "turn": self.turn,
            "agent_name": self.agent_name,
            **_given(usage=self.usage, metadata=self.metadata),
        }


class FunctionSpanData(SpanData):
    """One call of a tool."""

    __slots__ = ("input", "mcp_data", "name", "output")

    def __init__(
        self, name: str, input: str | None, output: Any | None, mcp_data: Json | None = None
    ) -> None:
        self.name = name
        self.input = input
        self.output = output
        self.mcp_data = mcp_data

    @property
    def type(self) -> str:
        """`function`."""
        return "function"

    def export(self) -> Json:
        """The data in OpenAI's wire format, where an output is text."""
        return {
            "type": self.type,
            "name": self.name,
            "input": self.input,
            "output": describe(self.output) if self.output is not None else None,
            "mcp_data": self.mcp_data,
        }

    def record(self) -> Json:
        """The data whole, the output as the tool returned it."""
        data: Json = {
            "type": self.type,
            "name": self.name,
            "input": self.input,
            "output": self.output,
        }
        if self.mcp_data is not None:
            data["mcp_data"] = self.mcp_data
        return data


class GenerationSpanData(SpanData):
    """One call of a model.

    Beyond the wire format the record holds what makes it whole: `instructions`, `tools` (the
    definitions as they were sent, handoffs included), `response_id`, `first_token_at` (ISO 8601,
    streamed calls) and `response`, what else the model's server said.
    """

    __slots__ = (
        "first_token_at",
        "input",
        "instructions",
        "model",
        "model_config",
        "output",
        "response_id",
        "response_rest",
        "tools",
        "usage",
    )

    def __init__(
        self,
        input: Sequence[Mapping[str, Any]] | None = None,
        output: Sequence[Mapping[str, Any]] | None = None,
        model: str | None = None,
        model_config: Mapping[str, Any] | None = None,
        usage: Json | None = None,
    ) -> None:
        self.input: Any = input
        self.output: Any = output
        self.model = model
        self.model_config = model_config
        self.usage = usage
        self.instructions: str | None = None
        self.tools: Sequence[Mapping[str, Any]] | None = None
        self.response_id: str | None = None
        self.response_rest: Json | None = None
        self.first_token_at: str | None = None

    @property
    def type(self) -> str:
        """`generation`."""
        return "generation"

    def export(self) -> Json:
        """The data in OpenAI's wire format."""
        return {
            "type": self.type,
            "input": self.input,
            "output": self.output,
            "model": self.model,
            "model_config": self.model_config,
            "usage": self.usage,
        }

    def record(self) -> Json:
        """The data whole."""
        return {
            "type": self.type,
            "model": self.model,
            "input": self.input,
            "output": self.output,
            "usage": self.usage,
            **_given(
                instructions=self.instructions,
                tools=self.tools,
                model_config=self.model_config,
                response_id=self.response_id,
                response=self.response_rest,
                first_token_at=self.first_token_at,
            ),
        }


class ResponseSpanData(GenerationSpanData):
    """One call of a model through the Responses API, with the `Response` object it answered."""

    __slots__ = ("response",)

    def __init__(self, response: Any = None, input: Any = None, usage: Json | None = None) -> None:
        super().__init__(input=input, usage=usage)
        self.response = response

    @property
    def type(self) -> str:
        """`response`."""
        return "response"

    def export(self) -> Json:
        """The data in OpenAI's wire format: the backend knows the response by its id."""
        response_id = self.response_id or getattr(self.response, "id", None)
        return {"type": self.type, "response_id": response_id, "usage": self.usage}

    def record(self) -> Json:
        """The data whole; what was not set here is taken from the response."""
        data = super().record()
        if self.response is not None:
            for key, value in response_fields(self.response).items():
                if data.get(key) is None:
                    data[key] = value
        return data


class HandoffSpanData(SpanData):
    """Control passing from one agent to another."""

    __slots__ = ("from_agent", "to_agent")

    def __init__(self, from_agent: str | None, to_agent: str | None) -> None:
        self.from_agent = from_agent
        self.to_agent = to_agent

    @property
    def type(self) -> str:
        """`handoff`."""
        return "handoff"

    def export(self) -> Json:
        """The data in OpenAI's wire format."""
        return {"type": self.type, "from_agent": self.from_agent, "to_agent": self.to_agent}


class CustomSpanData(SpanData):
    """Whatever the program wants to see on the timeline."""

    __slots__ = ("data", "name")

    def __init__(self, name: str, data: Json) -> None:
        self.name = name
        self.data = data

    @property
    def type(self) -> str:
        """`custom`."""
        return "custom"

    def export(self) -> Json:
        """The data in OpenAI's wire format."""
        return {"type": self.type, "name": self.name, "data": self.data}


class GuardrailSpanData(SpanData):
    """One guardrail's check; `output_info` is what it said of it."""

    __slots__ = ("name", "output_info", "triggered")

    def __init__(self, name: str, triggered: bool = False) -> None:
        self.name = name
        self.triggered = triggered
        self.output_info: Any = None

    @property
    def type(self) -> str:
        """`guardrail`."""
        return "guardrail"

    def export(self) -> Json:
        """The data in OpenAI's wire format."""
        return {"type": self.type, "name": self.name, "triggered": self.triggered}

    def record(self) -> Json:
        """The data whole."""
        return {**self.export(), **_given(output=self.output_info)}


class TranscriptionSpanData(SpanData):
    """Speech turned into text; `input` is base64 audio."""

    __slots__ = ("input", "input_format", "model", "model_config", "output")

    def __init__(
        self,
        input: str | None = None,
        input_format: str | None = "pcm",
        output: str | None = None,
        model: str | None = None,
        model_config: Mapping[str, Any] | None = None,
    ) -> None:
        self.input = input
        self.input_format = input_format
        self.output = output
        self.model = model
        self.model_config = model_config

    @property
    def type(self) -> str:
        """`transcription`."""
        return "transcription"

    def export(self) -> Json:
        """The data in OpenAI's wire format."""
        return {
            "type": self.type,
            "input": {"data": self.input or "", "format": self.input_format},
            "output": self.output,
            "model": self.model,
            "model_config": self.model_config,
        }


class SpeechSpanData(SpanData):
    """Text turned into speech; `output` is base64 audio."""

    __slots__ = ("first_content_at", "input", "model", "model_config", "output", "output_format")

    def __init__(
        self,
        input: str | None = None,
        output: str | None = None,
        output_format: str | None = "pcm",
        model: str | None = None,
        model_config: Mapping[str, Any] | None = None,
        first_content_at: str | None = None,
    ) -> None:
        self.input = input
        self.output = output
        self.output_format = output_format
        self.model = model
        self.model_config = model_config
        self.first_content_at = first_content_at

    @property
    def type(self) -> str:
        """`speech`."""
        return "speech"

    def export(self) -> Json:
        """The data in OpenAI's wire format."""
        return {
            "type": self.type,
            "input": self.input,
            "output": {"data": self.output or "", "format": self.output_format},
            "model": self.model,
            "model_config": self.model_config,
            "first_content_at": self.first_content_at,
        }


class SpeechGroupSpanData(SpanData):
    """Several pieces of speech that belong together."""

    __slots__ = ("input",)

    def __init__(self, input: str | None = None) -> None:
        self.input = input

    @property
    def type(self) -> str:
        """`speech_group`."""
        return "speech_group"

    def export(self) -> Json:
        """The data in OpenAI's wire format."""
        return {"type": self.type, "input": self.input}


class MCPListToolsSpanData(SpanData):
    """A server of the Model Context Protocol being asked for its tools."""

    __slots__ = ("result", "server")

    def __init__(self, server: str | None = None, result: list[str] | None = None) -> None:
        self.server = server
        self.result = result

    @property
    def type(self) -> str:
        """`mcp_tools`."""
        return "mcp_tools"

    def export(self) -> Json:
        """The data in OpenAI's wire format."""
        return {"type": self.type, "server": self.server, "result": self.result}


def record_of(data: Any) -> Json:
    """`record()` of our span data, and the like of another tracer's, as a dict of its own.

    Another tracer's wire format drops what a record needs (the response itself, an output that is
    no text), so an attribute is preferred to the exported field of the same name.
    """
    if SpanData in type(data).__mro__:  # asked twice a span; of an abstract class that is slow
        return dict(data.record())
    exported: Json = dict(data.export())
    kind = str(data.type)
    inner = exported.get("data")
    if kind != exported.get("type") and isinstance(inner, dict):  # tasks and turns
        exported = {key: value for key, value in inner.items() if key != "sdk_span_type"}
    fields = {key: getattr(data, key, value) for key, value in exported.items()}
    for extra in ("input", "usage", "metadata"):
        if getattr(data, extra, None) is not None:
            fields.setdefault(extra, getattr(data, extra))
    if kind == "response" and getattr(data, "response", None) is not None:
        fields.update(response_fields(data.response))
    if kind == "agent":
        fields["tool_names"] = fields.pop("tools", None)
    if kind == "turn":
        fields["name"] = f"turn {fields.get('turn')}"
    fields["type"] = kind
    return fields


_RESPONSE_CONTENT = ("output", "instructions", "tools", "model", "usage")
_RESPONSE_SETTINGS = (
    "temperature",
    "top_p",
    "tool_choice",
    "parallel_tool_calls",
    "max_output_tokens",
    "truncation",
    "reasoning",
    "text",
    "metadata",
)


def response_fields(response: Any) -> Json:
    """The fields of a record that a `Response` object of the Responses API carries."""
    body: Json = dict(response) if isinstance(response, Mapping) else _dump(response)
    fields = {key: body.pop(key) for key in _RESPONSE_CONTENT if body.get(key) is not None}
    settings = {key: body.pop(key) for key in _RESPONSE_SETTINGS if body.get(key) is not None}
    return {
        **fields,
        **_given(
            model_config=settings or None, response_id=body.pop("id", None), response=body or None
        ),
    }


def _dump(response: Any) -> Json:
    body = plain(response)
    return body if isinstance(body, dict) else {"value": body}


def _given(**fields: Any) -> Json:
    return {key: value for key, value in fields.items() if value is not None}
