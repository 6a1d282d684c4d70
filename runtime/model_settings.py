"""What a caller may set on a model call, and how two sets of settings combine."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Literal, TypeAlias

from openai.types.responses import ResponseIncludable
from openai.types.shared import Reasoning
from pydantic import BaseModel

Query: TypeAlias = Mapping[str, object]
Body: TypeAlias = object
Headers: TypeAlias = Mapping[str, Any]
"""Extra HTTP headers; `openai.Omit()` as a value removes a header of the client."""


@dataclass(frozen=True)
class MCPToolChoice:
    """Makes the model call one tool of one hosted MCP server."""

    server_label: str
    name: str


ToolChoice: TypeAlias = Literal["auto", "required", "none"] | str | MCPToolChoice


@dataclass
class ModelRetryBackoffSettings:
    """How long to wait between two attempts; times are in seconds."""

    initial_delay: float | None = None
    max_delay: float | None = None
    multiplier: float | None = None
    jitter: bool | None = None


@dataclass
class ModelRetrySettings:
    """Whether and how often a failed model call is tried again by the runtime."""

    max_retries: int | None = None
    backoff: ModelRetryBackoffSettings | None = None
    policy: Callable[..., Any] | None = None


@dataclass
class ModelSettings:
    """Settings of a model call; `None` leaves the choice to the provider.

    Not every model knows every setting: what a model does not know it refuses with its own error.
    Settings are sent as they are; those marked for one API are not sent to the other.
    """

    temperature: float | None = None
    top_p: float | None = None
    frequency_penalty: float | None = None
    """Chat Completions only."""
    presence_penalty: float | None = None
    """Chat Completions only."""
    tool_choice: ToolChoice | None = None
    """`auto`, `required`, `none`, or the name of the tool the model must call."""
    parallel_tool_calls: bool | None = None
    """Whether the model may call several tools in one turn."""
    truncation: Literal["auto", "disabled"] | None = None
    """Responses API only: what to do with an input longer than the context window."""
    max_tokens: int | None = None
    """The most tokens the model may write."""
    reasoning: Reasoning | None = None
    verbosity: Literal["low", "medium", "high"] | None = None
    metadata: dict[str, str] | None = None
    store: bool | None = None
    """Whether the provider keeps the response for later retrieval."""
    include_usage: bool | None = None
    """Chat Completions only: whether a stream reports usage at its end. It is asked to unless this
    is False, which servers that do not know the question need."""
    response_include: list[ResponseIncludable | str] | None = None
    """Responses API only: further output to include, such as `reasoning.encrypted_content`."""
    top_logprobs: int | None = None
    extra_query: Query | None = None
    extra_body: Body | None = None
    extra_headers: Headers | None = None
    extra_args: dict[str, Any] | None = None
    """Further arguments of the client's `create` call; they win over settings of the same name."""
    retry: ModelRetrySettings | None = None

    def resolve(self, override: ModelSettings | None) -> ModelSettings:
        """Return these settings with every setting that `override` names replaced.

        `extra_args` are merged key by key; everything else is replaced whole.
        """
        if override is None:
            return self
        changes = {name: value for name, value in _fields(override) if value is not None}
        if self.extra_args or override.extra_args:
            changes["extra_args"] = {**(self.extra_args or {}), **(override.extra_args or {})}
        return dataclasses.replace(self, **changes)

    def to_json_dict(self) -> dict[str, Any]:
        """Return every setting, also those that are `None`, as plain JSON data."""
        return {name: _plain(value) for name, value in _fields(self)}


def _fields(record: Any) -> list[tuple[str, Any]]:
    return [(field.name, getattr(record, field.name)) for field in dataclasses.fields(record)]


def _plain(value: Any) -> Any:
    """Turn a setting into JSON data; what JSON cannot say (a function, `Omit`) becomes its name."""
    if value is None or isinstance(value, str | int | float | bool):
        return value
    if isinstance(value, BaseModel):
        return value.model_dump(mode="json")
    if dataclasses.is_dataclass(value):
        return {name: _plain(item) for name, item in _fields(value)}
    if isinstance(value, Mapping):
        return {str(key): _plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple | set | frozenset):
        return [_plain(item) for item in value]
    return getattr(value, "__qualname__", type(value).__qualname__)
