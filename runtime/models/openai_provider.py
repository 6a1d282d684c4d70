"""Finds OpenAI's models by name."""

from __future__ import annotations

import asyncio
from weakref import WeakKeyDictionary

from openai import AsyncOpenAI, OpenAIError

from runtime.exceptions import UserError
from runtime.models import defaults
from runtime.models.default_models import get_default_model
from runtime.models.interface import Model, ModelProvider
from runtime.models.openai_chatcompletions import OpenAIChatCompletionsModel
from runtime.models.openai_responses import OpenAIResponsesModel


class OpenAIProvider(ModelProvider):
    """Makes models of a client: the one given, the default one, or one of its own.

    Its own client is made at the first use, one for each event loop, because the connections a
    client keeps open cannot outlive their loop.
    """

    def __init__(
        self,
        *,
        api_key: str | None = None,
        base_url: str | None = None,
        openai_client: AsyncOpenAI | None = None,
        organization: str | None = None,
        project: str | None = None,
        use_responses: bool | None = None,
    ) -> None:
        if openai_client is not None and (api_key is not None or base_url is not None):
            raise UserError(
                "OpenAIProvider was given openai_client together with api_key or base_url."
                " A client already has both; pass the client, or the other two."
            )
        self._client = openai_client
        self._api_key = api_key
        self._base_url = base_url
        self._organization = organization
        self._project = project
        self._use_responses = use_responses
        self._clients: WeakKeyDictionary[asyncio.AbstractEventLoop, AsyncOpenAI] = (
            WeakKeyDictionary()
        )

    def get_model(self, model_name: str | None) -> Model:
        """Return the model called `model_name`, or the default model for `None`.

        Raises:
            UserError: If there is no API key.
        """
        name = model_name or get_default_model()
        client = self._client or self._default_client() or self._own_client()
        use_responses = self._use_responses
        if use_responses is None:
            use_responses = defaults.default_openai_api() == "responses"
        if use_responses:
            return OpenAIResponsesModel(name, client)
        return OpenAIChatCompletionsModel(name, client)

    def _default_client(self) -> AsyncOpenAI | None:
        """Return the default client, unless this provider was told to use another account."""
        told = (self._api_key, self._base_url, self._organization, self._project)
        return defaults.default_openai_client() if told == (None,) * 4 else None

    def _own_client(self) -> AsyncOpenAI:
        try:
            loop = asyncio.get_running_loop()
        except RuntimeError:
            return self._make_client()  # nobody to share it with
        if loop not in self._clients:
            self._clients[loop] = self._make_client()
        return self._clients[loop]

    def _make_client(self) -> AsyncOpenAI:
        try:
            return AsyncOpenAI(
                api_key=self._api_key or defaults.default_openai_key(),
                base_url=self._base_url,
                organization=self._organization,
                project=self._project,
            )
        except OpenAIError as error:
            raise UserError(
                "No OpenAI API key was found. Calling a model by its name needs one. Set"
                " OPENAI_API_KEY, call set_default_openai_key(key), or give the agent a model"
                " object, such as runtime.testing.ScriptedModel."
            ) from error
