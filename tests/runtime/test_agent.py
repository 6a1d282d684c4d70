"""Agents themselves."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from typing import Annotated, Any, Literal, NewType

import pytest
from openai.types.shared import Reasoning
from typing_extensions import TypedDict

from runtime import (
    Agent,
    AgentHooks,
    AgentOutputSchema,
    ModelSettings,
    RunContextWrapper,
    RunHooks,
    UserError,
    function_tool,
    input_guardrail,
)

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


def plain(context, agent, value):
    """A function that could be a guardrail."""


@pytest.mark.parametrize(
    ("wrong", "what", "hint"),
    [
        ({"name": 1}, "1 (int) as name", "Agent(name='...')"),
        ({"instructions": 1}, "1 (int) as instructions", "text or a function"),
        ({"tools": look}, "a 'FunctionTool' as tools", "tools=[...]"),
        ({"tools": [1]}, "1 (int)", "decorated with @function_tool"),
        ({"tools": [len]}, "<built-in function len>", "pass functions decorated with"),
        ({"tools": [Agent("B")]}, "a 'Agent' as an entry of tools", "agent.as_tool(...)"),
        ({"handoffs": "B"}, "'B' (str)", "handoffs=[...]"),
        ({"handoffs": ["y"]}, "'y' (str) as an entry of handoffs", "not its name"),
        ({"handoffs": [Agent]}, "the class 'Agent'", "the Agent itself"),
        ({"input_guardrails": [plain]}, "<function plain", "with @input_guardrail"),
        ({"output_guardrails": [plain]}, "<function plain", "with @output_guardrail"),
        (
            {"output_guardrails": [input_guardrail(plain)]},
            "a 'InputGuardrail' as an entry of output_guardrails",
            "with @output_guardrail",
        ),
        ({"output_type": "Out"}, "'Out' (str) as output_type", "the type itself"),
        ({"output_type": {"type": "object"}}, "a 'dict' as output_type", "the type itself"),
        ({"model": 4}, "4 (int) as model", "the name of a model"),
        ({"model_settings": {"x": "k"}}, "a 'dict' as model_settings", "ModelSettings(...)"),
        ({"model_settings": None}, "None as model_settings", "ModelSettings(...)"),
        ({"hooks": RunHooks()}, "a 'RunHooksBase' as hooks", "Runner.run(..., hooks=...)"),
        ({"hooks": AgentHooks}, "as hooks", "an instance"),
    ],
)
def test_wrong_fields(wrong, what, hint):
    """What could only fail in the middle of a run is refused at once, with what to do."""
    with pytest.raises(UserError) as caught:
        Agent(**{"name": "A", **wrong})

    assert what in caught.value.message
    assert hint in caught.value.message


@pytest.mark.parametrize(
    "output_type",
    [
        *(str, int, list[int], int | None, Literal["a"], Annotated[int, "n"]),
        *(Any, NewType("Id", int), TypedDict("Row", {"a": int}), AgentOutputSchema(int), None),
    ],
    ids=repr,
)
def test_output_types(output_type):
    """Whatever Pydantic can describe is an output type, also what is no class."""
    assert Agent("A", output_type=output_type).output_type is output_type


def test_generic():
    """An agent can be subscripted with the type of its context."""
    assert Agent[str](name="A").name == "A"


def test_settings_of_named_model(monkeypatch):
    """Settings that suit a reasoning default are not sent to another model that was named."""
    monkeypatch.setenv("OPENAI_DEFAULT_MODEL", "gpt-5")

    assert Agent("A").model_settings.reasoning == Reasoning(effort="low")
    assert Agent("A", model="gpt-5-mini").model_settings.reasoning == Reasoning(effort="low")
    assert Agent("A", model="gpt-4.1").model_settings == ModelSettings()
