import asyncio
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass
from typing import Any

import pytest
from openai import AsyncOpenAI

from runtime.items import ModelResponse, TResponseStreamEvent
from runtime.model_settings import ModelSettings
from runtime.models import token_usage
from runtime.models.interface import Model, ModelTracing
from runtime.models.openai_chatcompletions import OpenAIChatCompletionsModel
from runtime.models.openai_responses import OpenAIResponsesModel

MODELS = {"responses": OpenAIResponsesModel, "chat": OpenAIChatCompletionsModel}


def arguments(**given: Any) -> dict[str, Any]:
    """The arguments of a model call, with defaults for what a test does not care about."""
    defaults: dict[str, Any] = {
        "system_instructions": "Be kind.",
        "input": "hello",
        "model_settings": ModelSettings(),
        "tools": [],
        "output_schema": None,
        "handoffs": [],
        "tracing": ModelTracing.ENABLED,
        "previous_response_id": None,
        "conversation_id": None,
        "prompt": None,
    }
    return {**defaults, **given}


@dataclass(frozen=True)
class Ask:
    """Asks one of the model classes, one of the two ways."""

    api: str
    streamed: bool

    def model(self, client: AsyncOpenAI) -> Model:
        return MODELS[self.api]("gpt-test", client)

    def __call__(self, client: AsyncOpenAI, **given: Any) -> ModelResponse:
        return asyncio.run(self.answer(client, **given))

    async def answer(self, client: AsyncOpenAI, **given: Any) -> ModelResponse:
        model = self.model(client)
        if not self.streamed:
            return await model.get_response(**arguments(**given))
        events = await all_events(model, **given)
        response = events[-1].response
        usage = token_usage.from_response(response.usage)
        return ModelResponse(output=response.output, usage=usage, response_id=response.id)


async def all_events(model: Model, **given: Any) -> list[TResponseStreamEvent]:
    """The events of a streamed answer."""
    return [event async for event in model.stream_response(**arguments(**given))]


@pytest.fixture(params=["responses", "chat"])
def api(request: pytest.FixtureRequest) -> str:
    """One of the two APIs."""
    return request.param


@pytest.fixture(params=[False, True], ids=["whole", "streamed"])
def ask(request: pytest.FixtureRequest, api: str) -> Ask:
    """Every model class, both ways."""
    return Ask(api, request.param)


@pytest.fixture
def open_stream() -> Callable[..., AsyncIterator[TResponseStreamEvent]]:
    """Opens a streamed answer of one of the APIs."""

    def opened(api: str, client: AsyncOpenAI, **given: Any) -> AsyncIterator[TResponseStreamEvent]:
        return MODELS[api]("gpt-test", client).stream_response(**arguments(**given))

    return opened


@pytest.fixture
def events_of() -> Callable[..., list[TResponseStreamEvent]]:
    """Collects the events of a streamed answer of one of the APIs."""

    def collect(api: str, client: AsyncOpenAI, **given: Any) -> list[TResponseStreamEvent]:
        return asyncio.run(all_events(MODELS[api]("gpt-test", client), **given))

    return collect


@pytest.fixture
def given() -> Callable[..., dict[str, Any]]:
    """Makes the arguments of a model call."""
    return arguments
