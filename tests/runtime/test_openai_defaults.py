"""What OpenAI models use unless told otherwise."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from runtime import (
    Agent,
    Runner,
    UserError,
    set_default_openai_api,
    set_default_openai_client,
    set_default_openai_key,
)
from runtime.models.defaults import use_openai_client, use_openai_key
from runtime.testing import openai_stub, text
from runtime.thread_loop import run_in_thread_loop


@pytest.fixture(autouse=True)
def untouched() -> Iterator[None]:
    """What a test sets does not outlive it."""
    yield
    use_openai_key(None)
    use_openai_client(None)
    set_default_openai_api("responses")


@pytest.mark.parametrize("api", ["responses", "chat_completions"])
def test_client_and_api(api):
    """Agents without a model use the client and API that were set, run after run."""
    with openai_stub([text("one"), text("two")]) as stub:
        client = stub.client()
        set_default_openai_client(client)
        set_default_openai_api(api)

        outputs = [Runner.run_sync(Agent("A"), "go").final_output for _ in range(2)]
        run_in_thread_loop(client.close())

    assert outputs == ["one", "two"]
    assert [request.is_chat for request in stub.requests] == [api == "chat_completions"] * 2


def test_key():
    """A key that was set is enough to make a client of our own."""
    set_default_openai_key("mine")

    agent = Agent("A")
    with openai_stub([]) as stub:
        with pytest.MonkeyPatch.context() as patch:
            patch.setenv("OPENAI_BASE_URL", stub.base_url)
            with pytest.raises(Exception, match="script"):
                Runner.run_sync(agent, "go")

        assert stub.requests[0].headers["authorization"] == "Bearer mine"


def test_unknown_api():
    """Another API than the two is refused."""
    with pytest.raises(UserError, match="responses"):
        set_default_openai_api("assistants")
