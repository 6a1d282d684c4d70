import asyncio

import pytest
from openai import AsyncOpenAI

from runtime.exceptions import UserError
from runtime.models import defaults
from runtime.models.interface import ModelProvider
from runtime.models.multi_provider import MultiProvider, MultiProviderMap
from runtime.models.openai_chatcompletions import OpenAIChatCompletionsModel
from runtime.models.openai_provider import OpenAIProvider
from runtime.models.openai_responses import OpenAIResponsesModel
from runtime.testing import ScriptedModel


@pytest.fixture(autouse=True)
def fresh_defaults():
    """No default outlives its test."""
    yield
    defaults.use_openai_key(None)
    defaults.use_openai_client(None)
    defaults.set_default_openai_api("responses")


def client(key="a"):
    """A client that nobody calls."""
    return AsyncOpenAI(api_key=key)


class Shelf(ModelProvider):
    """A provider that has one model and keeps what it was asked for."""

    def __init__(self):
        self.asked = []

    def get_model(self, model_name):
        self.asked.append(model_name)
        return ScriptedModel([])


def test_default_api():
    """The API is Responses unless it is set otherwise, for one provider or for all."""
    assert isinstance(OpenAIProvider(api_key="a").get_model("m"), OpenAIResponsesModel)
    chat = OpenAIProvider(api_key="a", use_responses=False)
    assert isinstance(chat.get_model("m"), OpenAIChatCompletionsModel)

    defaults.set_default_openai_api("chat_completions")
    assert isinstance(OpenAIProvider(api_key="a").get_model("m"), OpenAIChatCompletionsModel)


def test_default_model(monkeypatch):
    """Without a name the default model is used."""
    monkeypatch.setenv("OPENAI_DEFAULT_MODEL", "gpt-Test")

    assert OpenAIProvider(api_key="a").get_model(None).model == "gpt-test"


def test_default_key():
    """The default key makes the client."""
    defaults.use_openai_key("k")

    assert OpenAIProvider().get_model("m")._client.api_key == "k"


def test_default_client():
    """The default client is used as it is."""
    mine = client()
    defaults.use_openai_client(mine)

    assert OpenAIProvider().get_model("m")._client is mine
    assert OpenAIProvider(api_key="other").get_model("m")._client is not mine


def test_client_per_loop():
    """A provider's own client is shared within an event loop, and not beyond it."""
    provider = OpenAIProvider(api_key="a")

    async def clients():
        return [provider.get_model("m")._client for _ in range(2)]

    first, again = asyncio.run(clients())
    assert first is again
    assert asyncio.run(clients())[0] is not first


def test_missing_key(monkeypatch):
    """Without a key the message tells the three ways to go on."""
    monkeypatch.delenv("OPENAI_API_KEY", raising=False)

    with pytest.raises(UserError, match="Set OPENAI_API_KEY, call set_default_openai_key"):
        OpenAIProvider().get_model("m")


def test_client_and_key():
    """A client and a key contradict each other."""
    with pytest.raises(UserError, match="pass the client, or the other two"):
        OpenAIProvider(openai_client=client(), api_key="b")


def test_unknown_api():
    """An API that does not exist is refused when it is set."""
    with pytest.raises(UserError, match="'grpc'"):
        defaults.set_default_openai_api("grpc")


@pytest.mark.parametrize(
    ("name", "asked"),
    [("gpt-4.1", "gpt-4.1"), ("openai/gpt-4.1", "gpt-4.1"), ("openai/a/b", "a/b")],
)
def test_openai_prefix(name, asked):
    """No prefix and `openai/` lead to OpenAI; the rest of the name is kept as it is."""
    assert MultiProvider(openai_api_key="a").get_model(name).model == asked


def test_own_prefix():
    """A prefix of one's own leads to one's own provider, and comes before ours."""
    shelf, mapping = Shelf(), MultiProviderMap()
    mapping.add_provider("shelf", shelf)
    mapping.add_provider("openai", shelf)
    provider = MultiProvider(provider_map=mapping)
    provider.get_model("shelf/a/b")
    provider.get_model("openai/c")

    assert shelf.asked == ["a/b", "c"]


def test_map():
    """A map can be asked, replaced and emptied, and hands out copies."""
    shelf, mapping = Shelf(), MultiProviderMap()
    mapping.set_mapping({"a": shelf})
    mapping.get_mapping().clear()
    assert mapping.has_prefix("a")
    assert mapping.get_provider("a") is shelf

    mapping.remove_provider("a")
    mapping.remove_provider("a")
    assert mapping.get_provider("a") is None


def test_unknown_prefix():
    """An unknown prefix is refused with the known ones."""
    with pytest.raises(UserError, match=r"'mistral'.*Known prefixes: openai"):
        MultiProvider(openai_api_key="a").get_model("mistral/large")
