"""What agents without a model of their own use: a key, a client, one of two APIs."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from openai import AsyncOpenAI

from runtime.exceptions import UserError

OpenAIApi = Literal["chat_completions", "responses"]


@dataclass
class _Defaults:
    key: str | None = None
    client: AsyncOpenAI | None = None
    api: OpenAIApi = "responses"


_current = _Defaults()


def default_openai_key() -> str | None:
    """Return the key set for every agent, if one was."""
    return _current.key


def default_openai_client() -> AsyncOpenAI | None:
    """Return the client set for every agent, if one was."""
    return _current.client


def default_openai_api() -> OpenAIApi:
    """Return the API used unless a provider was told another."""
    return _current.api


def use_openai_key(key: str | None) -> None:
    """Use `key` for model calls from now on; `None` goes back to `OPENAI_API_KEY`."""
    _current.key = key


def use_openai_client(client: AsyncOpenAI | None) -> None:
    """Use `client` for model calls from now on; `None` goes back to a client of our own."""
    _current.client = client


def set_default_openai_api(api: OpenAIApi) -> None:
    """Use the Responses API or the Chat Completions API from now on.

    Raises:
        UserError: If there is no such API.
    """
    if api not in ("chat_completions", "responses"):
        raise UserError(
            f"There is no OpenAI API called {api!r}. The runtime speaks 'responses' and"
            " 'chat_completions'; use one of them."
        )
    _current.api = api
