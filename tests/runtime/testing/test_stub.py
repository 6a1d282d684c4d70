import asyncio
import contextlib
import gc
import threading
import urllib.request
import warnings
from urllib.error import HTTPError

import openai
import pytest

from runtime.testing import (
    TokenCounts,
    disconnect,
    error,
    garbage,
    hang,
    openai_stub,
    raises,
    reasoning,
    text,
    tool_call,
    tool_calls,
)


async def respond(client, **options):
    """The text of a response."""
    response = await client.responses.create(model="m", input="hi", **options)
    return response.output_text


async def events(client):
    """The events of a streamed response."""
    stream = await client.responses.create(model="m", input="hi", stream=True)
    return [event async for event in stream]


async def chunks(client, **options):
    """The chunks of a streamed completion."""
    messages = [{"role": "user", "content": "hi"}]
    options = {"model": "m", "messages": messages, "stream": True, **options}
    return [chunk async for chunk in await client.chat.completions.create(**options)]


def post(url, body, method="POST"):
    """The status and body of a plain request."""
    request = urllib.request.Request(url, data=body, method=method)
    try:
        with urllib.request.urlopen(request) as response:
            return response.status, response.read().decode()
    except HTTPError as fault:
        with fault:
            return fault.code, fault.read().decode()


def test_list_of_replies():
    """Replies of a list are given in order; a plain string is a text."""
    with openai_stub([text("one"), "two"]) as stub:
        client = stub.client()

        async def both():
            return [await respond(client), await respond(client)]

        assert asyncio.run(both()) == ["one", "two"]
        assert stub.replies_left == 0


def test_function_of_the_request():
    """A function chooses the reply by what was asked."""
    with openai_stub(lambda request: f"you said {request.last_user_text}") as stub:
        assert asyncio.run(respond(stub.client())) == "you said hi"


def test_exhausted():
    """A script that is too short is an error the client shows, and no retry is worth it."""
    with openai_stub([]) as stub, pytest.raises(openai.BadRequestError, match="only 0 replies"):
        asyncio.run(respond(stub.client(max_retries=3)))

    assert len(stub.requests) == 1


def test_failing_function():
    """A script that raises tells the client so."""

    def broken(_request):
        raise LookupError("no such scene")

    expected = "LookupError: no such scene"
    with openai_stub(broken) as stub, pytest.raises(openai.BadRequestError, match=expected):
        asyncio.run(respond(stub.client()))


def test_model_only_reply():
    """A reply that no server can give is refused with those that can be given."""
    with (
        openai_stub([raises(ValueError())]) as stub,
        pytest.raises(openai.BadRequestError, match="ScriptedModel"),
    ):
        asyncio.run(respond(stub.client()))


def test_recorded():
    """Every request is kept: method, path, headers and body."""
    with openai_stub(["hi"]) as stub:
        asyncio.run(respond(stub.client(), extra_headers={"X-Team": "a"}, instructions="Go."))

    (request,) = stub.requests
    assert (request.method, request.path) == ("POST", "/v1/responses")
    assert request.headers["x-team"] == "a"
    assert request.body["input"] == "hi"
    assert request.instructions == "Go."
    assert not request.is_chat


def test_event_sequence():
    """A streamed response has every event of the real API, numbered without a gap."""
    reply = text("Hello dear world.") + tool_call("add", {"a": 1}, call_id="c1")
    with openai_stub([reply]) as stub:
        received = asyncio.run(events(stub.client()))

    kinds = list(dict.fromkeys(event.type for event in received))
    assert kinds == [
        "response.created",
        "response.in_progress",
        "response.output_item.added",
        "response.content_part.added",
        "response.output_text.delta",
        "response.output_text.done",
        "response.content_part.done",
        "response.output_item.done",
        "response.function_call_arguments.delta",
        "response.function_call_arguments.done",
        "response.completed",
    ]
    assert [event.sequence_number for event in received] == list(range(len(received)))
    assert len([event for event in received if event.type == "response.output_text.delta"]) > 1
    assert received[0].response.output == []
    assert received[0].response.status == "in_progress"
    assert received[-1].response.output_text == "Hello dear world."


def test_chunk_sequence():
    """A streamed completion opens with the role, ends with a reason, then tells the usage."""
    with openai_stub([tool_calls([("add", {"a": 1}), ("sub", {})])]) as stub:
        received = asyncio.run(chunks(stub.client(), stream_options={"include_usage": True}))

    assert received[0].choices[0].delta.role == "assistant"
    deltas = [call for c in received if c.choices for call in c.choices[0].delta.tool_calls or []]
    assert [call.function.name for call in deltas if call.id] == ["add", "sub"]
    assert "".join(c.function.arguments for c in deltas if c.index == 0) == '{"a": 1}'
    assert received[-2].choices[0].finish_reason == "tool_calls"
    assert received[-1].usage.total_tokens > 0


def test_usage_only_on_request():
    """A stream of chunks tells the usage only if asked."""
    with openai_stub(["hi"]) as stub:
        received = asyncio.run(chunks(stub.client()))

    assert all(chunk.usage is None for chunk in received)


def test_plausible_usage():
    """Usage is estimated from the text: more words cost more, numbers given are kept."""
    given = TokenCounts(input_tokens=9, cached_tokens=4)
    replies = ["word", "word " * 100, reasoning("hm " * 50) + text("x"), text("x", usage=given)]
    with openai_stub(replies) as stub:
        client = stub.client()

        async def usages():
            made = [await client.responses.create(model="m", input="hi") for _ in replies]
            return [response.usage for response in made]

        short, long, thought, told = asyncio.run(usages())

    assert 0 < short.output_tokens < long.output_tokens
    assert 0 < thought.output_tokens_details.reasoning_tokens < thought.output_tokens
    assert (told.input_tokens, told.input_tokens_details.cached_tokens) == (9, 4)
    assert short.total_tokens == short.input_tokens + short.output_tokens


def test_many_at_once():
    """Hundreds of requests at once get the reply made for them."""
    with openai_stub(lambda request: text(request.last_user_text, delay=0.01)) as stub:
        client = stub.client()

        async def ask(number):
            response = await client.responses.create(model="m", input=f"n{number}")
            return response.output_text

        async def all_of_them():
            return await asyncio.gather(*(ask(number) for number in range(200)))

        assert asyncio.run(all_of_them()) == [f"n{number}" for number in range(200)]
        assert len(stub.requests) == 200


def test_large_bodies():
    """Megabytes in either direction arrive whole."""
    long = "é" * 2_000_000
    with openai_stub(lambda request: text(request.last_user_text[:500_000])) as stub:
        client = stub.client()
        response = asyncio.run(client.responses.create(model="m", input=long))

    assert stub.requests[0].body["input"] == long
    assert response.output_text == long[:500_000]


def test_one_client_many_loops():
    """One client serves one event loop after the other, and several threads with their own."""
    with openai_stub(lambda request: "hi") as stub:
        client = stub.client()
        assert [asyncio.run(respond(client)) for _ in range(3)] == ["hi"] * 3

        answers = []
        threads = [
            threading.Thread(target=lambda: answers.append(asyncio.run(respond(stub.client()))))
            for _ in range(5)
        ]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert answers == ["hi"] * 5


def test_stop_with_open_requests():
    """Stopping ends the requests that are still open, and the thread with them."""
    before = threading.active_count()

    async def leave_open():
        with openai_stub([hang(), text("word " * 1000, delta_delay=0.01)]) as stub:
            client = stub.client()
            hanging = asyncio.create_task(respond(client))
            await asyncio.to_thread(stub.wait_for_requests, 1)
            streaming = asyncio.create_task(events(client))
            await asyncio.to_thread(stub.wait_for_requests, 2)
        return await asyncio.gather(hanging, streaming, return_exceptions=True)

    faults = asyncio.run(leave_open())
    assert all(isinstance(fault, openai.APIConnectionError) for fault in faults)
    assert not [t for t in threading.enumerate() if t.name == "openai-stub"]
    assert threading.active_count() <= before + 1  # the loop's executor may linger


def test_nothing_left_open():
    """Every way to answer closes its sockets: no ResourceWarning on either side."""
    replies = [text("hi"), error(500), garbage(), disconnect(), hang()]
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        for reply in replies:
            with openai_stub([reply]) as stub:

                async def attempt(client):
                    with contextlib.suppress(openai.OpenAIError, ValueError):
                        await events(client)
                    await client.close()

                asyncio.run(attempt(stub.client(timeout=0.1)))
        gc.collect()

    assert [warning for warning in caught if warning.category is ResourceWarning] == []


def test_wait_for_requests_gives_up():
    """Waiting for requests that never come ends with what did come."""
    with openai_stub([]) as stub, pytest.raises(TimeoutError, match="Only 0 of 1"):
        stub.wait_for_requests(1, timeout=0.01)


def test_other_paths():
    """Other paths and methods, and bodies that are not JSON, are refused as the API would."""
    with openai_stub([]) as stub:
        assert post(f"{stub.base_url}/models", b"{}")[0] == 404
        assert post(f"{stub.base_url}/responses", None, method="GET")[0] == 404
        assert post(f"{stub.base_url}/responses", b"{")[0] == 400
        assert stub.requests == []


def test_error_shape():
    """An error has the status, the message and the waiting time that were asked for."""
    with (
        openai_stub([error(429, "Slow down.", retry_after=7)]) as stub,
        pytest.raises(openai.RateLimitError, match=r"Slow down\.") as caught,
    ):
        asyncio.run(respond(stub.client()))

    assert caught.value.response.headers["retry-after"] == "7"
