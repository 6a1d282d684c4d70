"""What OpenAI models use unless told otherwise, set once for the whole program."""

from __future__ import annotations

from openai import AsyncOpenAI

from runtime.models.defaults import set_default_openai_api, use_openai_client, use_openai_key

__all__ = ["set_default_openai_api", "set_default_openai_client", "set_default_openai_key"]


def set_default_openai_key(key: str, use_for_tracing: bool = True) -> None:
    """Use `key` for model calls, instead of `OPENAI_API_KEY`.

    Args:
        key: An API key of OpenAI.
        use_for_tracing: Taken for compatibility. The key of a model makes no trace leave the
            machine.
    """
    use_openai_key(key)


def set_default_openai_client(client: AsyncOpenAI, use_for_tracing: bool = True) -> None:
    """Use `client` for model calls.

    Args:
        client: A client of your own, for example for another base URL.
        use_for_tracing: Taken for compatibility, as in `set_default_openai_key`.
    """
    use_openai_client(client)
