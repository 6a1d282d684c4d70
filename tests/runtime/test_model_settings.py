import json

from hypothesis import given, settings
from hypothesis import strategies as st
from openai import Omit
from openai.types.shared import Reasoning

from runtime.model_settings import (
    MCPToolChoice,
    ModelRetryBackoffSettings,
    ModelRetrySettings,
    ModelSettings,
)

_SETTINGS = st.builds(
    ModelSettings,
    temperature=st.none() | st.floats(0, 2),
    max_tokens=st.none() | st.integers(0, 100),
    store=st.none() | st.booleans(),
    tool_choice=st.none() | st.sampled_from(["auto", "none", "add"]),
    metadata=st.none() | st.dictionaries(st.text(max_size=3), st.text(max_size=3)),
)


def test_override():
    """What the override names wins, also when it is falsy; the rest stays."""
    settings = ModelSettings(temperature=0.5, store=True, max_tokens=5)
    resolved = settings.resolve(ModelSettings(temperature=0.0, store=False))

    assert resolved == ModelSettings(temperature=0.0, store=False, max_tokens=5)
    assert settings.temperature == 0.5


def test_extra_args_merge():
    """Extra arguments are merged key by key."""
    resolved = ModelSettings(extra_args={"a": 1, "b": 1}).resolve(
        ModelSettings(extra_args={"b": 2})
    )

    assert resolved.extra_args == {"a": 1, "b": 2}


def test_no_override():
    """Without an override nothing changes."""
    settings = ModelSettings(temperature=0.5)

    assert settings.resolve(None) == settings


def test_json():
    """All settings can be written as JSON, objects included."""
    settings = ModelSettings(
        reasoning=Reasoning(effort="low"),
        tool_choice=MCPToolChoice("docs", "find"),
        extra_headers={"x": Omit()},
        retry=ModelRetrySettings(max_retries=2, backoff=ModelRetryBackoffSettings(1.0), policy=len),
    )
    data = json.loads(json.dumps(settings.to_json_dict()))

    assert data["reasoning"]["effort"] == "low"
    assert data["tool_choice"] == {"server_label": "docs", "name": "find"}
    assert data["retry"]["max_retries"] == 2
    assert data["retry"]["policy"] == "len"
    assert data["temperature"] is None


@settings(deadline=None)
@given(_SETTINGS, _SETTINGS, _SETTINGS)
def test_resolve_is_associative(first, second, third):
    """Layers of settings may be combined in any grouping."""
    assert first.resolve(second).resolve(third) == first.resolve(second.resolve(third))


@settings(deadline=None)
@given(_SETTINGS)
def test_resolve_with_nothing(settings):
    """Empty settings change nothing, on either side."""
    assert settings.resolve(ModelSettings()) == settings
    assert ModelSettings().resolve(settings) == settings
