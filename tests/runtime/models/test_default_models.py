import pytest

from runtime import Agent, RunConfig
from runtime.models import (
    get_default_model,
    get_default_model_settings,
    gpt_5_reasoning_settings_required,
    is_gpt_5_default,
)


def test_fallback(monkeypatch):
    """Without the variable the documented default is used."""
    monkeypatch.delenv("OPENAI_DEFAULT_MODEL", raising=False)

    assert get_default_model() == "gpt-4.1"
    assert not is_gpt_5_default()


def test_variable(monkeypatch):
    """The variable names the default model, in any case."""
    monkeypatch.setenv("OPENAI_DEFAULT_MODEL", "GPT-5-mini")

    assert get_default_model() == "gpt-5-mini"
    assert is_gpt_5_default()
    assert get_default_model_settings().verbosity == "low"


@pytest.mark.parametrize(
    ("name", "needed"),
    [
        ("gpt-5", True),
        ("gpt-5-nano", True),
        ("gpt-5.1", True),
        ("gpt-5-chat-latest", False),
        ("gpt-4.1", False),
        ("claude", False),
    ],
)
def test_reasoning_models(name, needed):
    """GPT-5 reasoning models get low effort; every other model gets no settings."""
    settings = get_default_model_settings(name)

    assert gpt_5_reasoning_settings_required(name) is needed
    assert (settings.reasoning is not None) is needed
    assert settings.reasoning is None or settings.reasoning.effort == "low"


def test_fresh():
    """Settings are fresh, so that changing them changes nobody else's."""
    assert get_default_model_settings("gpt-5") is not get_default_model_settings("gpt-5")


def test_mistaken_setting(monkeypatch):
    """A mistake in a variable of the recorder keeps no agent from being made."""
    monkeypatch.setenv("FLIGHTLOG_SYNC", "sometimes")

    assert Agent("A").model_settings == get_default_model_settings()
    assert RunConfig().trace_include_sensitive_data
