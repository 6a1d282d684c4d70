"""Which model an agent without a model uses, and with which settings."""

from __future__ import annotations

import re

from openai.types.shared import Reasoning

from runtime import instrument
from runtime.model_settings import ModelSettings

FALLBACK_MODEL = "gpt-4.1"

_CHAT_ONLY = re.compile(r"gpt-5(\.\d+)?-chat-latest")
"""GPT-5 aliases that refuse `reasoning.effort`."""


def get_default_model() -> str:
    """Return the model named by `OPENAI_DEFAULT_MODEL`, or ours."""
    return (instrument.usable_settings().default_model or FALLBACK_MODEL).lower()


def gpt_5_reasoning_settings_required(model_name: str) -> bool:
    """Tell whether a model is one of the GPT-5 reasoning models."""
    return model_name.startswith("gpt-5") and not _CHAT_ONLY.fullmatch(model_name)


def is_gpt_5_default() -> bool:
    """Tell whether the default model is one of the GPT-5 reasoning models."""
    return gpt_5_reasoning_settings_required(get_default_model())


def get_default_model_settings(model: str | None = None) -> ModelSettings:
    """Return fresh settings that suit `model`, or the default model.

    GPT-5 models get low effort and low verbosity; every other model gets no setting at all, so
    that any provider accepts them.
    """
    if gpt_5_reasoning_settings_required(model or get_default_model()):
        return ModelSettings(reasoning=Reasoning(effort="low"), verbosity="low")
    return ModelSettings()
