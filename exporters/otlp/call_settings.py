"""What a model call's settings say in attributes, and which provider it went to. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any
from urllib.parse import urlsplit

_NUMBERS = {
    "temperature": "gen_ai.request.temperature",
    "top_p": "gen_ai.request.top_p",
    "frequency_penalty": "gen_ai.request.frequency_penalty",
    "presence_penalty": "gen_ai.request.presence_penalty",
}
_COUNTS = {
    "max_tokens": "gen_ai.request.max_tokens",
    "max_output_tokens": "gen_ai.request.max_tokens",
    "top_k": "gen_ai.request.top_k",
    "seed": "gen_ai.request.seed",
}
_HOSTS = (
    ("openai.azure.com", "azure.ai.openai"),
    ("openai.com", "openai"),
    ("anthropic.com", "anthropic"),
    ("googleapis.com", "gcp.gemini"),
    ("mistral.ai", "mistral_ai"),
    ("deepseek.com", "deepseek"),
    ("groq.com", "groq"),
    ("perplexity.ai", "perplexity"),
    ("cohere.com", "cohere"),
    ("x.ai", "x_ai"),
    ("moonshot.ai", "moonshot_ai"),
    ("amazonaws.com", "aws.bedrock"),
)
_NAMES = (
    ("gpt-", "openai"),
    ("chatgpt", "openai"),
    ("o1", "openai"),
    ("o3", "openai"),
    ("o4", "openai"),
    ("claude", "anthropic"),
    ("gemini", "gcp.gemini"),
    ("mistral", "mistral_ai"),
    ("deepseek", "deepseek"),
    ("grok", "x_ai"),
    ("command", "cohere"),
)


def provider_of(kind: str, model: str | None, data: Mapping[str, Any]) -> str | None:
    """The provider as the conventions name it; None where nothing tells it."""
    settings = data.get("model_config")
    url = settings.get("base_url") if isinstance(settings, Mapping) else None
    if isinstance(url, str) and (host := _host(url)):
        for end, name in _HOSTS:
            if host == end or host.endswith(f".{end}"):
                return name
    if kind == "response":
        return "openai"
    plain = (model or "").rpartition("/")[2].lower()
    return next((name for start, name in _NAMES if plain.startswith(start)), None)


def model_attributes(data: Mapping[str, Any]) -> dict[str, Any]:
    """Attributes of the settings that were sent and of what the server said of its response."""
    settings = data.get("model_config")
    said = settings if isinstance(settings, Mapping) else {}
    attributes: dict[str, Any] = {}
    for key, name in _NUMBERS.items():
        if _is_number(said.get(key)):
            attributes[name] = float(said[key])
    for key, name in _COUNTS.items():
        if isinstance(said.get(key), int) and not isinstance(said[key], bool):
            attributes.setdefault(name, said[key])
    stop = said.get("stop")
    if isinstance(stop, list) and all(isinstance(word, str) for word in stop):
        attributes["gen_ai.request.stop_sequences"] = stop
    reasoning = said.get("reasoning")
    effort = reasoning.get("effort") if isinstance(reasoning, Mapping) else None
    for value, name in (
        (effort or said.get("reasoning_effort"), "gen_ai.request.reasoning.level"),
        (said.get("previous_response_id"), "gen_ai.request.previous_response.id"),
        (data.get("response_id"), "gen_ai.response.id"),
        (data.get("response_model"), "gen_ai.response.model"),
    ):
        if isinstance(value, str) and value:
            attributes[name] = value
    return attributes


def _host(url: str) -> str:
    try:
        return (urlsplit(url).hostname or "").lower()
    except ValueError:
        return ""


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)
