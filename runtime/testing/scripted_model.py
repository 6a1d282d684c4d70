"""A model that answers from a script."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from typing import Any, NoReturn

from openai.types.responses import ResponsePromptParam

from runtime.agent_output import AgentOutputSchemaBase
from runtime.handoffs import Handoff
from runtime.items import ModelResponse, TResponseInputItem, TResponseStreamEvent
from runtime.model_settings import ModelSettings
from runtime.models import token_usage
from runtime.models.interface import Model, ModelTracing
from runtime.models.response_writer import ResponseWriter
from runtime.testing import request_reading
from runtime.testing.replies import Answer, Hang, Raise, Reply
from runtime.testing.script import Script, ScriptSource
from runtime.testing.writing import new_id, started_response, usage_of, write_answer
from runtime.tool import Tool


@dataclass(frozen=True, kw_only=True)
class ModelCall:
    """One call of a `ScriptedModel`: the arguments it was given."""

    system_instructions: str | None
    input: str | list[TResponseInputItem]
    model_settings: ModelSettings
    tools: list[Tool]
    output_schema: AgentOutputSchemaBase | None
    handoffs: list[Handoff]
    tracing: ModelTracing
    previous_response_id: str | None
    conversation_id: str | None
    prompt: ResponsePromptParam | None
    streamed: bool

    @property
    def instructions(self) -> str:
        """The instructions of the agent that asks."""
        return self.system_instructions or ""

    @property
    def tool_names(self) -> list[str]:
        """The names of the tools and handoffs offered."""
        return [tool.name for tool in self.tools] + [way.tool_name for way in self.handoffs]

    @property
    def last_user_text(self) -> str:
        """The last thing the user said."""
        return request_reading.last_user_text(_readable(self.input))

    @property
    def tool_outputs(self) -> list[str]:
        """What tools returned since the user last spoke."""
        return request_reading.tool_outputs(_readable(self.input))


@dataclass(eq=False)
class ScriptedModel(Model):
    """Answers with the replies of a script, and keeps what it was asked.

        model = ScriptedModel([tool_call("add", {"a": 1, "b": 2}), text("3")])
        agent = Agent("Calculator", tools=[add], model=model)

    Streams too. `hang()` waits until it is cancelled and `raises(error)` raises; replies only a
    server can give, such as `error(429)`, need `openai_stub`.

    Args:
        script: Replies in order, a single one, or a function of the `ModelCall` that chooses.
        model: The name this model goes by in traces.
    """

    script: ScriptSource[ModelCall]
    model: str = "scripted"
    calls: list[ModelCall] = field(default_factory=list, init=False)
    """Every call so far, in order."""

    def __post_init__(self) -> None:
        self._script: Script[ModelCall] = Script(self.script)

    @property
    def replies_left(self) -> int:
        """How many replies of a script given as a list were not asked for."""
        return self._script.left

    async def get_response(  # noqa: PLR0913
        self,
        system_instructions: str | None,
        input: str | list[TResponseInputItem],
        model_settings: ModelSettings,
        tools: list[Tool],
        output_schema: AgentOutputSchemaBase | None,
        handoffs: list[Handoff],
        tracing: ModelTracing,
        *,
        previous_response_id: str | None = None,
        conversation_id: str | None = None,
        prompt: ResponsePromptParam | None = None,
    ) -> ModelResponse:
        """Return the next reply whole."""
        call = ModelCall(
            system_instructions=system_instructions,
            input=_copied(input),
            model_settings=model_settings,
            tools=tools,
            output_schema=output_schema,
            handoffs=handoffs,
            tracing=tracing,
            previous_response_id=previous_response_id,
            conversation_id=conversation_id,
            prompt=prompt,
            streamed=False,
        )
        answer = await self._next_answer(call)
        writer = self._writer()
        for _ in write_answer(answer, writer, usage_of(answer, call.input)):
            pass
        response = writer.response
        usage = token_usage.from_response(response.usage)
        return ModelResponse(output=response.output, usage=usage, response_id=response.id)

    async def stream_response(  # noqa: PLR0913
        self,
        system_instructions: str | None,
        input: str | list[TResponseInputItem],
        model_settings: ModelSettings,
        tools: list[Tool],
        output_schema: AgentOutputSchemaBase | None,
        handoffs: list[Handoff],
        tracing: ModelTracing,
        *,
        previous_response_id: str | None = None,
        conversation_id: str | None = None,
        prompt: ResponsePromptParam | None = None,
    ) -> AsyncIterator[TResponseStreamEvent]:
        """Yield the next reply as events."""
        call = ModelCall(
            system_instructions=system_instructions,
            input=_copied(input),
            model_settings=model_settings,
            tools=tools,
            output_schema=output_schema,
            handoffs=handoffs,
            tracing=tracing,
            previous_response_id=previous_response_id,
            conversation_id=conversation_id,
            prompt=prompt,
            streamed=True,
        )
        answer = await self._next_answer(call)
        for events in write_answer(answer, self._writer(), usage_of(answer, call.input)):
            for event in events:
                yield event
            await asyncio.sleep(answer.delta_delay)

    def _writer(self) -> ResponseWriter:
        return ResponseWriter(started_response({"model": self.model}), new_id)

    async def _next_answer(self, call: ModelCall) -> Answer:
        self.calls.append(call)
        reply = self._script.next(call)
        match reply:
            case Answer():
                await asyncio.sleep(reply.delay)
                return reply
            case Raise(exception):
                raise exception
            case Hang():
                await asyncio.Event().wait()
        _refuse(reply)


def _refuse(reply: Reply) -> NoReturn:
    raise TypeError(
        f"A ScriptedModel cannot answer with {type(reply).__name__}. It has no server that could"
        " fail. Use raises(error) here, or openai_stub to send this reply to a real client."
    )


def _copied(items: str | list[TResponseInputItem]) -> str | list[TResponseInputItem]:
    """Return the input as it is now; the runner goes on adding to its list."""
    return items if isinstance(items, str) else list(items)


def _readable(items: str | list[TResponseInputItem]) -> Any:
    return items
