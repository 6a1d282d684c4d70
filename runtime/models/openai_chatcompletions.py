"""A model behind the Chat Completions API, OpenAI's or that of a server that resembles it."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Mapping
from dataclasses import replace
from typing import Any

from openai import AsyncOpenAI
from openai.types import ChatModel
from openai.types.responses import ResponsePromptParam

from runtime import instrument
from runtime.agent_output import AgentOutputSchemaBase
from runtime.handoffs import Handoff
from runtime.items import ModelResponse, TResponseInputItem, TResponseStreamEvent
from runtime.model_settings import ModelSettings
from runtime.models import token_usage
from runtime.models.chatcmpl_converter import completion_arguments
from runtime.models.completion_reading import CompletionReading
from runtime.models.interface import Model, ModelTracing
from runtime.models.model_request import ModelRequest
from runtime.tool import Tool


class OpenAIChatCompletionsModel(Model):
    """Asks a model through `client.chat.completions`.

    Items and events are those of the Responses API, made from what the provider sends. Errors of
    the client (connection, time-out, status) pass through.
    """

    def __init__(self, model: str | ChatModel, openai_client: AsyncOpenAI) -> None:
        self.model = model
        self._client = openai_client

    async def get_response(  # noqa: PLR0913
        self,
        system_instructions: str | None,
        input: str | list[TResponseInputItem],
        model_settings: ModelSettings,
        tools: list[Tool],
        output_schema: AgentOutputSchemaBase | None,
        handoffs: list[Handoff],
        tracing: ModelTracing,
        previous_response_id: str | None = None,
        conversation_id: str | None = None,
        prompt: ResponsePromptParam | None = None,
    ) -> ModelResponse:
        """Answer once, whole; see `Model.get_response`."""
        request = ModelRequest(
            system_instructions=system_instructions,
            input=input,
            settings=model_settings,
            tools=tools,
            output_schema=output_schema,
            handoffs=handoffs,
            previous_response_id=previous_response_id,
            conversation_id=conversation_id,
            prompt=prompt,
        )
        arguments = completion_arguments(str(self.model), request)
        reading = CompletionReading(str(self.model), arguments)
        completion = await self._create(arguments, reading, tracing)
        try:
            response = reading.read_whole(completion)
        finally:
            _record(instrument.current_model_call(), reading, tracing)
        return ModelResponse(
            output=response.output,
            usage=token_usage.from_response(response.usage),
            response_id=None,
            request_id=completion._request_id,
        )

    async def stream_response(  # noqa: PLR0913
        self,
        system_instructions: str | None,
        input: str | list[TResponseInputItem],
        model_settings: ModelSettings,
        tools: list[Tool],
        output_schema: AgentOutputSchemaBase | None,
        handoffs: list[Handoff],
        tracing: ModelTracing,
        previous_response_id: str | None = None,
        conversation_id: str | None = None,
        prompt: ResponsePromptParam | None = None,
    ) -> AsyncIterator[TResponseStreamEvent]:
        """Answer in pieces; see `Model.stream_response`."""
        request = ModelRequest(
            system_instructions=system_instructions,
            input=input,
            settings=model_settings,
            tools=tools,
            output_schema=output_schema,
            handoffs=handoffs,
            previous_response_id=previous_response_id,
            conversation_id=conversation_id,
            prompt=prompt,
        )
        arguments = completion_arguments(str(self.model), request)
        reading = CompletionReading(str(self.model), arguments)
        streamed = {**arguments, "stream": True, **_stream_options(model_settings, arguments)}
        # Known now: a stream that is dropped may be closed within another call.
        call = instrument.current_model_call()
        try:
            async with await self._create(streamed, reading, tracing) as stream:
                for event in reading.start():
                    yield event
                try:
                    async for chunk in stream:
                        for event in reading.read_chunk(chunk):
                            yield event
                except json.JSONDecodeError:
                    reading.refuse("sent a piece of its stream that is not JSON")
            for event in reading.finish():
                yield event
        finally:
            _record(call, reading, tracing)

    async def _create(
        self, arguments: dict[str, Any], reading: CompletionReading, tracing: ModelTracing
    ) -> Any:
        if tracing.include_data():
            instrument.record_request(_recorded(arguments))
        try:
            return await self._client.chat.completions.create(**arguments)
        except json.JSONDecodeError:
            reading.refuse("answered with a body that is not JSON")


def _stream_options(settings: ModelSettings, arguments: Mapping[str, Any]) -> dict[str, Any]:
    """Ask for usage at the end of a stream, unless the caller says otherwise.

    OpenAI leaves it out unless asked; servers that refuse the question need `include_usage=False`.
    """
    if settings.include_usage is False or "stream_options" in arguments:
        return {}
    return {"stream_options": {"include_usage": True}}


def _record(
    call: instrument.ModelCall | None, reading: CompletionReading, tracing: ModelTracing
) -> None:
    """Put what was read onto the span, also of an answer that is about to be refused."""
    if call is None or tracing.is_disabled():
        return
    received = reading.received()
    call.answered(
        received if tracing.include_data() else replace(received, output=[]), reading.rest
    )


def _recorded(arguments: dict[str, Any]) -> dict[str, Any]:
    """Return the request in the words of the record: instructions and input are told apart."""
    recorded = dict(arguments)
    messages = recorded.pop("messages")
    if messages and messages[0]["role"] == "system":
        return {**recorded, "instructions": messages[0]["content"], "input": messages[1:]}
    return {**recorded, "instructions": None, "input": messages}
