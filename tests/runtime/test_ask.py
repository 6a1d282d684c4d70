"""What is kept of a model call, above all of one that ends early, and how its stream is closed."""

from __future__ import annotations

import asyncio
import json
from contextlib import contextmanager

import pytest
from openai import APIError, AsyncOpenAI

from runtime import Agent, ModelSettings, RunConfig, Runner
from runtime.exceptions import ModelBehaviorError
from runtime.items import ModelResponse
from runtime.models.interface import Model
from runtime.models.openai_chatcompletions import OpenAIChatCompletionsModel
from runtime.models.openai_responses import OpenAIResponsesModel
from runtime.testing import ScriptedModel, openai_stub, text
from runtime.testing.loopback import LoopbackServer
from runtime.usage import Usage

HEAD = {"id": "chatcmpl-7", "created": 1, "model": "real-1", "system_fingerprint": "fp_1"}
MODELS = {"chat": OpenAIChatCompletionsModel, "responses": OpenAIResponsesModel}
ITEM = {"id": "msg_1", "type": "message", "role": "assistant", "status": "in_progress"}
DELTA = {"type": "response.output_text.delta", "item_id": "msg_1", "content_index": 0}
CREATED = {"id": "resp_1", "object": "response", "status": "in_progress", "output": []}
PIECES = {
    "chat": [
        {
            **{**HEAD, "object": "chat.completion.chunk", "service_tier": "flex"},
            "choices": [{"index": 0, "delta": {"content": piece}, "finish_reason": None}],
            "usage": {"prompt_tokens": 9, "completion_tokens": 2, "total_tokens": 11},
        }
        for piece in ("half ", "an ans")
    ],
    "responses": [
        {"type": "response.created", "sequence_number": 0, "response": CREATED},
        {
            "type": "response.output_item.added",
            "sequence_number": 1,
            "output_index": 0,
            "item": {**ITEM, "content": []},
        },
        {**DELTA, "sequence_number": 2, "output_index": 0, "delta": "half ", "logprobs": []},
        {**DELTA, "sequence_number": 3, "output_index": 0, "delta": "an ans", "logprobs": []},
    ],
}


@contextmanager
def serving(api, answer):
    """A model behind a server that answers every request with `answer`."""
    server = LoopbackServer(lambda _, exchange: answer(exchange))
    server.start()
    try:
        url = f"http://127.0.0.1:{server.port}/v1"
        yield MODELS[api]("gpt", AsyncOpenAI(api_key="stub", base_url=url, max_retries=0))
    finally:
        server.stop()


async def streamed(model, **options):
    """Run an agent of this model, streamed, to its end."""
    result = Runner.run_streamed(Agent("A", model=model), "go", **options)
    async for _ in result.stream_events():
        pass


def model_span(capture):
    """The data of the one model call."""
    (span,) = [*capture.of_type("generation"), *capture.of_type("response")]
    return span, {
        **json.loads(span.data),
        "output": [json.loads(item) for item in span.output or ()],
    }


@pytest.mark.parametrize("end", ["cut", "garbage", "over"])
@pytest.mark.parametrize("api", ["chat", "responses"])
def test_stream_that_breaks_off(capture, api, end):
    """What a stream had said before it broke off is on the span."""

    async def answer(exchange):
        await exchange.start_events()
        for piece in PIECES[api]:
            await exchange.send_event(json.dumps(piece), piece.get("type"))
        if end == "garbage":
            await exchange.send_event("<html>")
        if end != "cut":
            await exchange.end_events()

    with serving(api, answer) as model, pytest.raises((ModelBehaviorError, APIError)):
        asyncio.run(streamed(model))

    span, data = model_span(capture)
    (message,) = data["output"]
    assert message["content"][0]["text"] == "half an ans"
    assert (message["role"], message["status"]) == ("assistant", "incomplete")
    if api == "chat":
        assert data["response_id"] == "chatcmpl-7"
        assert (span.usage.input_tokens, span.usage.output_tokens) == (9, 2)
    else:
        assert data["response_id"] == "resp_1"
        assert span.usage.input_tokens is None


def test_broken_stream_without_content(capture):
    """Without content, what a broken stream had said is not recorded; what it cost is."""

    async def answer(exchange):
        await exchange.start_events()
        for piece in PIECES["chat"]:
            await exchange.send_event(json.dumps(piece))
        await exchange.end_events()

    options = {"run_config": RunConfig(trace_include_sensitive_data=False)}
    with serving("chat", answer) as model, pytest.raises(ModelBehaviorError):
        asyncio.run(streamed(model, **options))

    span, _ = model_span(capture)
    assert "half" not in repr([*capture.traces, *capture.spans])
    assert span.usage.input_tokens == 9


def test_cancelled_while_reading(capture):
    """What a model had said when its call was cancelled is on the span."""
    model = ScriptedModel([text("one two three four " * 9, delta_delay=0.001)])

    async def main():
        result = Runner.run_streamed(Agent("A", model=model), "go")
        async for event in result.stream_events():
            if getattr(getattr(event, "data", None), "delta", None):
                break

    asyncio.run(main())

    _, data = model_span(capture)
    assert data["output"][0]["content"][0]["text"].startswith("one")


def test_unreported_usage(run, capture):
    """A model that does not say what a call cost leaves no zeros on the span."""

    class Frugal(ScriptedModel):
        async def get_response(self, *args, **kwargs):
            answer = await super().get_response(*args, **kwargs)
            return ModelResponse(answer.output, Usage(requests=1), answer.response_id)

        async def stream_response(self, *args, **kwargs):
            async for event in super().stream_response(*args, **kwargs):
                if event.type == "response.completed":
                    event.response.usage = None
                yield event

    result = run(Agent("A", model=Frugal([text("hi")])), "go")

    span, data = model_span(capture)
    assert "usage" not in data
    assert (span.usage.input_tokens, span.usage.output_tokens) == (None, None)
    assert all(span.usage.input_tokens is None for span in capture.spans)
    used = result.context_wrapper.usage
    assert (used.requests, used.input_tokens) == (1, 0)


def test_unreported_usage_of_chunks(capture):
    """A stream of chunks that was not asked for its usage leaves none on the span."""
    with openai_stub([text("hi")]) as stub:
        model = OpenAIChatCompletionsModel("gpt", stub.client())
        options = {"run_config": RunConfig(model_settings=ModelSettings(include_usage=False))}
        asyncio.run(streamed(model, **options))

    span, data = model_span(capture)
    assert (span.usage.input_tokens, span.usage.output_tokens) == (None, None)
    assert data["output"][0]["content"][0]["text"] == "hi"


def test_completion_is_recorded_as_it_came(capture):
    """The span of a completion has its id and all the server said beside the answer."""
    choice = {"index": 0, "message": {"role": "assistant", "content": "hi"}}
    body = {
        **{**HEAD, "object": "chat.completion", "service_tier": "flex"},
        "choices": [{**choice, "finish_reason": "stop"}],
    }

    with serving("chat", lambda exchange: exchange.send_json(200, body)) as model:
        result = asyncio.run(Runner.run(Agent("A", model=model), "go"))

    span, data = model_span(capture)
    assert data["response_id"] == "chatcmpl-7"
    assert data["response"] == {
        "model": "real-1",
        "system_fingerprint": "fp_1",
        "service_tier": "flex",
        "finish_reason": "stop",
    }
    assert (span.usage.input_tokens, span.usage.output_tokens) == (None, None)
    assert "usage" not in data
    assert result.last_response_id is None


class Tap:
    """A stream that never ends, and tells whether it was closed."""

    def __init__(self, event):
        self._event = event
        self.closed = False

    def __aiter__(self):
        return self

    async def __anext__(self):
        await asyncio.sleep(0)
        return self._event

    async def aclose(self):
        self.closed = True


@pytest.mark.parametrize("how", ["break", "cancel"])
def test_stream_is_closed(how):
    """Whoever stops reading closes the model's stream, so that no connection stays open."""

    class Endless(Model):
        async def get_response(self, *args, **kwargs):
            raise NotImplementedError

        def stream_response(self, *args, **kwargs):
            return tap

    async def main():
        result = Runner.run_streamed(Agent("A", model=Endless()), "go")
        async for event in result.stream_events():
            if event.type == "raw_response_event":
                if how == "break":
                    break
                result.cancel()

    with openai_stub([text("hi")]) as stub:
        model = OpenAIResponsesModel("gpt", stub.client())
        tap = Tap(asyncio.run(first_event(model)))
    asyncio.run(main())

    assert tap.closed


async def first_event(model):
    """The first event of a streamed run of this model."""
    result = Runner.run_streamed(Agent("A", model=model), "go")
    events = [e.data async for e in result.stream_events() if e.type == "raw_response_event"]
    return events[0]
