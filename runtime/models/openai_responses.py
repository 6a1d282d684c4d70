"""A model behind OpenAI's Responses API."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from typing import Any, ClassVar, Literal, NoReturn

from openai import AsyncOpenAI
from openai.types import ChatModel
from openai.types.responses import (
    Response,
    ResponseCompletedEvent,
    ResponseErrorEvent,
    ResponseFailedEvent,
    ResponseIncompleteEvent,
    ResponsePromptParam,
    ResponseStreamEvent,
)

from runtime import instrument
from runtime.agent_output import AgentOutputSchemaBase
from runtime.exceptions import ModelBehaviorError
from runtime.handoffs import Handoff
from runtime.items import ModelResponse, TResponseInputItem
from runtime.model_settings import ModelSettings
from runtime.models import token_usage
from runtime.models.interface import Model, ModelTracing
from runtime.models.model_request import ModelRequest
from runtime.models.responses_arguments import responses_arguments
from runtime.tool import Tool


class OpenAIResponsesModel(Model):
    """Asks a model through `client.responses`.

    Errors of the client (connection, time-out, status) pass through.
    """

    span_type: ClassVar[Literal["generation", "response"]] = "response"

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
        answered = await self._create(request, tracing, stream=False)
        response = self._whole(answered)
        _record(response, tracing)
        self._check(response)
        return ModelResponse(
            output=response.output,
            usage=token_usage.from_response(response.usage),
            response_id=response.id,
            request_id=response._request_id,
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
    ) -> AsyncIterator[ResponseStreamEvent]:
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
        completed = False
        async with await self._create(request, tracing, stream=True) as stream:
            try:
                async for event in stream:
                    self._check_event(event, tracing)
                    completed = completed or isinstance(event, ResponseCompletedEvent)
                    yield event
            except json.JSONDecodeError:
                self._refuse("sent a piece of its stream that is not JSON")
        if not completed:
            self._refuse("ended its stream before the response was complete")

    async def _create(self, request: ModelRequest, tracing: ModelTracing, *, stream: bool) -> Any:
        arguments = responses_arguments(str(self.model), request)
        if tracing.include_data():
            instrument.record_request(arguments)
        try:
            return await self._client.responses.create(**arguments, stream=stream)
        except json.JSONDecodeError:
            self._refuse("answered with a body that is not JSON")

    def _whole(self, answered: Any) -> Response:
        """Return the response if it is one; the client takes whatever it is sent."""
        if not isinstance(answered, Response):
            self._refuse("answered with something that is not JSON")
        if not isinstance(getattr(answered, "output", None), list):
            self._refuse("answered without any output")
        return answered

    def _check(self, response: Response) -> None:
        """Refuse a response that is not the whole answer."""
        if response.status in ("failed", "cancelled"):
            reason = response.error.message if response.error else "no reason given"
            self._refuse(f"reported the status {response.status!r} ({reason})")
        if response.status == "incomplete":
            details = response.incomplete_details
            reason = details.reason if details and details.reason else "no reason given"
            self._refuse(f"stopped before its answer was complete ({reason})")
        if not response.output:
            self._refuse("answered without any output")
        if not all(getattr(item, "type", None) for item in response.output):
            self._refuse("answered with an output item that has no type")

    def _check_event(self, event: ResponseStreamEvent, tracing: ModelTracing) -> None:
        match event:
            case ResponseErrorEvent():
                self._refuse(f"reported an error in its stream ({event.message})")
            case ResponseCompletedEvent() | ResponseFailedEvent() | ResponseIncompleteEvent():
                response = self._whole(event.response)
                _record(response, tracing)
                self._check(response)
            case _ if not isinstance(getattr(event, "type", None), str):
                self._refuse("sent a piece of its stream that is no event")

    def _refuse(self, what: str) -> NoReturn:
        raise ModelBehaviorError(
            f"Model {self.model!r} {what}. A run needs a whole response of the Responses API."
            " Run again; if it happens every time, check the model's settings (max_tokens above"
            " all) and that the server at the client's base_url speaks this API."
        ) from None


def _record(response: Response, tracing: ModelTracing) -> None:
    if tracing.include_data():
        instrument.record_response(response)
