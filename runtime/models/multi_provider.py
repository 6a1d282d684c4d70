"""Finds models by names with a prefix, such as `openai/gpt-4.1`."""

from __future__ import annotations

from openai import AsyncOpenAI

from runtime.exceptions import UserError
from runtime.models.interface import Model, ModelProvider
from runtime.models.openai_provider import OpenAIProvider


class MultiProviderMap:
    """Prefixes, and the provider of each."""

    def __init__(self) -> None:
        self._mapping: dict[str, ModelProvider] = {}

    def has_prefix(self, prefix: str) -> bool:
        """Tell whether `prefix` has a provider."""
        return prefix in self._mapping

    def get_mapping(self) -> dict[str, ModelProvider]:
        """Return a copy of the whole mapping."""
        return dict(self._mapping)

    def set_mapping(self, mapping: dict[str, ModelProvider]) -> None:
        """Replace the whole mapping."""
        self._mapping = dict(mapping)

    def get_provider(self, prefix: str) -> ModelProvider | None:
        """Return the provider of `prefix`, if it has one."""
        return self._mapping.get(prefix)

    def add_provider(self, prefix: str, provider: ModelProvider) -> None:
        """Give `prefix` a provider, in place of the one it may have."""
        self._mapping[prefix] = provider

    def remove_provider(self, prefix: str) -> None:
        """Take the provider of `prefix` away."""
        self._mapping.pop(prefix, None)


class MultiProvider(ModelProvider):
    """The default provider: a prefix names the provider, no prefix means OpenAI.

    What follows the first `/` is the name the provider is asked for. A map of your own comes
    before the known prefix `openai`.
    """

    def __init__(  # noqa: PLR0913
        self,
        *,
        provider_map: MultiProviderMap | None = None,
        openai_api_key: str | None = None,
        openai_base_url: str | None = None,
        openai_client: AsyncOpenAI | None = None,
        openai_organization: str | None = None,
        openai_project: str | None = None,
        openai_use_responses: bool | None = None,
    ) -> None:
        self.provider_map = provider_map
        self.openai_provider = OpenAIProvider(
            api_key=openai_api_key,
            base_url=openai_base_url,
            openai_client=openai_client,
            organization=openai_organization,
            project=openai_project,
            use_responses=openai_use_responses,
        )

    def get_model(self, model_name: str | None) -> Model:
        """Return the model called `model_name`, or OpenAI's default model for `None`.

        Raises:
            UserError: If nobody knows the prefix.
        """
        prefix, separator, rest = (model_name or "").partition("/")
        if not separator:
            return self.openai_provider.get_model(model_name)
        mapped = self.provider_map.get_provider(prefix) if self.provider_map else None
        if mapped is not None:
            return mapped.get_model(rest)
        if prefix == "openai":
            return self.openai_provider.get_model(rest)
        raise UserError(
            f"The model name {model_name!r} has the unknown prefix {prefix!r}. Known prefixes:"
            f" {', '.join(self._known_prefixes())}. Use one of them ('openai/' passes the rest of"
            " the name on as it is), add a provider to MultiProviderMap, or pass a Model object."
        )

    def _known_prefixes(self) -> list[str]:
        mapped = self.provider_map.get_mapping() if self.provider_map else {}
        return sorted({*mapped, "openai"})
