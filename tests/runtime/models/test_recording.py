"""What the two OpenAI models put on the span of their call."""

import asyncio
import contextlib

import pytest

import tracer
from runtime import instrument
from runtime.exceptions import ModelBehaviorError
from runtime.model_settings import ModelSettings
from runtime.models.interface import ModelTracing
from runtime.testing import openai_stub, text
from runtime.tool import function_tool

SETTINGS = ModelSettings(temperature=0.5, extra_headers={"x-key": "secret"})


@function_tool
def add(a: int, b: int) -> int:
    """Add."""
    return a + b


def recorded(ask, reply, tracing=ModelTracing.ENABLED):
    """The span data of one call that the runner would have opened a span for."""
    recording = instrument.Recording(content=tracing.include_data())

    async def call(client):
        given = {"model_settings": SETTINGS, "tools": [add], "tracing": tracing}
        with tracer.trace("t"):
            context = instrument.model_call(recording, ask.model(client), {})
            with context:
                data = tracer.get_current_span().span_data
                with contextlib.suppress(ModelBehaviorError):
                    await ask.answer(client, **given)
            return data

    with openai_stub([reply]) as stub:
        return asyncio.run(call(stub.client())), stub.requests[0]


def test_request(ask):
    """The span holds what was really sent, and never a header."""
    data, request = recorded(ask, text("hi"))

    assert data.model == "gpt-test"
    assert data.instructions == "Be kind."
    assert data.input == request.items
    assert data.tools == request.body["tools"]
    assert data.model_config["temperature"] == 0.5
    assert "secret" not in str(data.model_config)


def test_response(ask):
    """The span holds what came back, under the server's own id for it."""
    data, _ = recorded(ask, text("hi"))

    assert data.type == ("response" if ask.api == "responses" else "generation")
    assert data.response_id.startswith("resp_" if ask.api == "responses" else "chatcmpl")
    assert data.output[0]["content"][0]["text"] == "hi"


def test_incomplete_response_is_recorded(ask):
    """What came of an answer that was cut short is on the span, though the call failed."""
    data, _ = recorded(ask, text("half an ans", incomplete="max_output_tokens"))

    assert data.output[0]["content"][0]["text"] == "half an ans"
    assert data.output[0]["status"] == ("completed" if ask.api == "responses" else "incomplete")
    assert data.response_id
    if ask.api == "chat":
        assert data.usage["output_tokens"] > 0
        assert data.response_rest["finish_reason"] == "length"


@pytest.mark.parametrize("tracing", [ModelTracing.DISABLED, ModelTracing.ENABLED_WITHOUT_DATA])
def test_no_content(ask, tracing):
    """Without permission nothing of the request or the response is recorded."""
    data, _ = recorded(ask, text("hi"), tracing)

    assert (data.instructions, data.input, data.tools, data.output) == (None, None, None, None)
