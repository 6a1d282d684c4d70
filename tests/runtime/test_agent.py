"""Agents themselves."""

from __future__ import annotations

import asyncio
from dataclasses import replace

import pytest
from openai.types.shared import Reasoning

from runtime import Agent, ModelSettings, RunContextWrapper, UserError, function_tool

CONTEXT = RunContextWrapper("mine")


@function_tool
def look() -> str:
    """Look."""
    return "seen"


async def written(context, agent):
    """Instructions made on the way."""
    return f"{agent.name} for {context.context}"


@pytest.mark.parametrize(
    ("instructions", "expected"),
    [
        (None, None),
        ("Be kind.", "Be kind."),
        (written, "A for mine"),
        (lambda c, a: a.name, "A"),
    ],
)
def test_instructions(instructions, expected):
    """Instructions are text or a function, plain or async."""
    agent = Agent("A", instructions=instructions)

    assert asyncio.run(agent.get_system_prompt(CONTEXT)) == expected


def test_clone():
    """A clone differs where told and shares the rest."""
    agent = Agent("Pirate", instructions="Arr.", tools=[look])

    clone = agent.clone(name="Robot")

    assert (clone.name, clone.instructions) == ("Robot", "Arr.")
    assert clone.tools is agent.tools
    assert agent.name == "Pirate"


def test_enabled_tools():
    """Only tools that are enabled now are given out."""
    tools = [
        look,
        replace(look, name="off", is_enabled=False),
        replace(look, name="asked", is_enabled=lambda ctx, agent: ctx.context == "mine"),
    ]

    enabled = asyncio.run(Agent("A", tools=tools).get_all_tools(CONTEXT))

    assert [tool.name for tool in enabled] == ["look", "asked"]


def test_prompt():
    """A prompt is a dict or a function that returns one."""
    fixed = Agent("A", prompt={"id": "p"})
    chosen = Agent("A", prompt=lambda data: {"id": data.agent.name, "version": "2"})

    assert asyncio.run(fixed.get_prompt(CONTEXT))["id"] == "p"
    assert asyncio.run(chosen.get_prompt(CONTEXT)) == {
        "id": "A",
        "version": "2",
        "variables": None,
    }
    with pytest.raises(UserError, match="'str'"):
        asyncio.run(Agent("A", prompt=lambda data: "p").get_prompt(CONTEXT))


@pytest.mark.parametrize(
    ("wrong", "hint"),
    [
        ({"name": 1}, "name=1"),
        ({"instructions": 1}, "function"),
        ({"tools": look}, r"tools=\[...\]"),
        ({"tools": [1]}, "function_tool"),
        ({"handoffs": "B"}, "list"),
    ],
)
def test_wrong_fields(wrong, hint):
    """What could only fail in the middle of a run is refused at once."""
    with pytest.raises(TypeError, match=hint):
        Agent(**{"name": "A", **wrong})


def test_generic():
    """An agent can be subscripted with the type of its context."""
    assert Agent[str](name="A").name == "A"


def test_settings_of_named_model(monkeypatch):
    """Settings that suit a reasoning default are not sent to another model that was named."""
    monkeypatch.setenv("OPENAI_DEFAULT_MODEL", "gpt-5")

    assert Agent("A").model_settings.reasoning == Reasoning(effort="low")
    assert Agent("A", model="gpt-5-mini").model_settings.reasoning == Reasoning(effort="low")
    assert Agent("A", model="gpt-4.1").model_settings == ModelSettings()
