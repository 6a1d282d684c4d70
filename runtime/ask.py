"""Asks the model, whole or in pieces: the one difference between run and run_streamed."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any, TypeAlias

from openai.types.responses import Response

from runtime import instrument
from runtime.exceptions import ModelBehaviorError
from runtime.items import ModelResponse, TResponseStreamEvent
from runtime.models import token_usage
from runtime.models.fake_id import FAKE_RESPONSES_ID
from runtime.models.interface import ModelTracing
from runtime.models.partial_output import PartialOutput
from runtime.request import Request
from runtime.state import State
from runtime.stream_events import RawResponsesStreamEvent, StreamEvent

Emit: TypeAlias = Callable[[StreamEvent], Awaitable[None]]
"""Hears of everything a run does, as it happens. May wait, and so slow the run down."""

# Events that announce the response, before the model has said anything.
_ANNOUNCEMENTS = ("response.created", "response.queued", "response.in_progress")


async def ask_model(state: State, request: Request, emit: Emit) -> ModelResponse:
    """Return the model's answer, with hooks called, span recorded and usage counted.

    Raises:
        ModelBehaviorError: If a stream ends without a response, or the model takes longer than
            `RunConfig.model_timeout`.
    """
    agent = state.agent
    await state.hooks.llm_start(agent, request.instructions, request.input)
    with instrument.model_call(state.recording, request.model, _described(state, request)) as call:
        async with _limited(state):
            if state.streamed:
                response = await _stream(state, request, emit, call)
            else:
                response = await request.model.get_response(**_arguments(state, request))
        if not isinstance(response, ModelResponse):
            raise ModelBehaviorError(
                f"The model of agent {agent.name!r} returned a {type(response).__name__!r}. A "
                "Model must return a ModelResponse from get_response. Correct the model class."
            )
        call.answered(response)
    state.context.usage.add(response.usage)
    state.responses.append(response)
    state.chain.follow(response)
    await state.hooks.llm_end(agent, response)
    return response


def _arguments(state: State, request: Request) -> dict[str, Any]:
    return {
        "system_instructions": request.instructions,
        "input": request.input,
        "model_settings": request.settings,
        "tools": request.tools,
        "output_schema": request.output_schema,
        "handoffs": request.handoffs,
        "tracing": _tracing(state.recording),
        "previous_response_id": state.chain.previous_response_id,
        "conversation_id": state.chain.conversation_id,
        "prompt": request.prompt,
    }


def _described(state: State, request: Request) -> dict[str, Any]:
    settings = request.settings.to_json_dict()
    return {
        **settings,
        "instructions": request.instructions,
        "input": list(request.input),
        "tools": instrument.tool_definitions(request.tools, request.handoffs),
        "previous_response_id": state.chain.previous_response_id,
        "conversation_id": state.chain.conversation_id,
        "prompt": request.prompt,
    }


def _tracing(recording: instrument.Recording) -> ModelTracing:
    if recording.disabled:
        return ModelTracing.DISABLED
    return ModelTracing.ENABLED if recording.content else ModelTracing.ENABLED_WITHOUT_DATA


@asynccontextmanager
async def _limited(state: State) -> AsyncIterator[None]:
    """Bound a model call by `RunConfig.model_timeout`."""
    seconds = state.config.model_timeout
    try:
        async with asyncio.timeout(seconds) as limit:
            yield
    except TimeoutError as error:
        if not limit.expired():
            raise  # the model's own
        raise ModelBehaviorError(
            f"The model of agent {state.agent.name!r} did not answer within {seconds:g} seconds. "
            "RunConfig.model_timeout ends a model call that takes longer. Raise it, or ask the "
            "provider why it is slow."
        ) from error


async def _stream(
    state: State, request: Request, emit: Emit, call: instrument.ModelCall
) -> ModelResponse:
    events = request.model.stream_response(**_arguments(state, request))
    final: Response | None = None
    partial = PartialOutput()
    try:
        async for event in events:
            partial.hear(event)
            if event.type in ("response.failed", "error"):
                raise _failure(event, state.agent.name)
            if event.type not in _ANNOUNCEMENTS:
                call.first_output()
            if event.type == "response.completed" or event.type == "response.incomplete":
                final = event.response
            await emit(RawResponsesStreamEvent(event))
        if final is None:
            raise _unfinished(state.agent.name)
    except BaseException:
        call.answered(partial.response())  # what was said until then is worth knowing
        raise
    finally:
        await _close(events)
    return ModelResponse(
        output=final.output,
        usage=token_usage.from_response(final.usage),
        response_id=None if final.id == FAKE_RESPONSES_ID else final.id,
    )


def _unfinished(agent_name: str) -> ModelBehaviorError:
    return ModelBehaviorError(
        f"The model of agent {agent_name!r} ended its stream without a response. A stream must "
        "end with a response.completed event that carries it. Run again; if this is your own "
        "Model, let stream_response yield that event last."
    )


def _failure(event: TResponseStreamEvent, agent_name: str) -> ModelBehaviorError:
    response = getattr(event, "response", None)
    error = getattr(response, "error", None) or event
    return ModelBehaviorError(
        f"The model of agent {agent_name!r} failed while streaming: "
        f"{getattr(error, 'code', None)}: {getattr(error, 'message', None)}. A stream must end "
        "with a response.completed event. Run again, or look at the provider's status."
    )


async def _close(events: AsyncIterator[TResponseStreamEvent]) -> None:
    # Left to the garbage collector, the connection would stay open for a while.
    close = getattr(events, "aclose", None)
    if close is not None:
        await close()
