"""What the verbs refuse before anything happens."""

from __future__ import annotations

import asyncio

import pytest
from openai.types.responses.easy_input_message import EasyInputMessage

from runtime import Agent, AgentHooks, RunConfig, RunHooks, Runner, SQLiteSession, UserError
from runtime.testing import ScriptedModel, text


class Mine(RunHooks):
    """Hooks of a program."""


def plain(context, agent, value):
    """A function that could be a guardrail."""


@pytest.mark.parametrize(
    ("agent", "what"),
    [
        ("secret", "a 'str' as agent"),
        (None, "None as agent"),
        (Agent, "the class 'Agent' as agent"),
    ],
)
def test_wrong_agent(run, agent, what):
    """What is no agent is refused; the content of what was given is not told."""
    with pytest.raises(UserError, match="pass an Agent first") as caught:
        run(agent, "go")

    assert what in caught.value.message
    assert "secret" not in caught.value.message


@pytest.mark.parametrize(
    ("given", "what", "hint"),
    [
        (None, "None as input", "text or with a list"),
        (3, "a 'int' as input", "text or with a list"),
        ({"role": "user", "content": "secret"}, "a 'dict' as input", "put the item into a list"),
        (["secret"], "item 0 is a 'str'", "'role': 'user'"),
        ([{"role": "user", "content": "secret"}, None], "item 1 is None", "to_input_list()"),
    ],
)
def test_wrong_input(run, capture, given, what, hint):
    """An input of another type is refused, without a trace and without telling its content."""
    model = ScriptedModel(text("x"))

    with pytest.raises(UserError) as caught:
        run(Agent("A", model=model), given)

    assert what in caught.value.message
    assert hint in caught.value.message
    assert "secret" not in caught.value.message
    assert (model.calls, capture.started) == ([], [])


@pytest.mark.parametrize(
    "given",
    ["go", [], [{"role": "user", "content": "go"}], [EasyInputMessage(role="user", content="go")]],
    ids=["text", "nothing", "dicts", "models"],
)
def test_input(run, given):
    """Text, and items as dicts or models, begin a run."""
    assert run(Agent("A", model=ScriptedModel(text("x"))), given).final_output == "x"


WRONG = [
    ({"max_turns": "3"}, "max_turns='3' (str)", "max_turns=10"),
    ({"max_turns": None}, "max_turns=None", "a whole number"),
    ({"max_turns": True}, "max_turns=True", "a whole number"),
    ({"hooks": AgentHooks()}, "a 'AgentHooksBase' as hooks", "Agent(hooks=...)"),
    ({"hooks": Mine}, "the class 'Mine' as hooks", "an instance"),
    ({"run_config": {"model": "m"}}, "a 'dict' as run_config", "RunConfig(...)"),
    (
        {"run_config": RunConfig(input_guardrails=[plain])},
        "RunConfig got <function plain",
        "@input_guardrail",
    ),
    (
        {"run_config": RunConfig(output_guardrails=[plain])},
        "RunConfig got <function plain",
        "@output_guardrail",
    ),
    ({"session": "s"}, "a 'str' as session", "SQLiteSession("),
    ({"session": SQLiteSession}, "the class 'SQLiteSession' as session", "an object"),
    ({"previous_response_id": 1}, "a 'int' as previous_response_id", "a string"),
    ({"conversation_id": {}}, "a 'dict' as conversation_id", "a string"),
]


@pytest.mark.parametrize(("options", "what", "hint"), WRONG)
def test_wrong_options(run, capture, options, what, hint):
    """An option of another type is refused before anything is recorded."""
    with pytest.raises(UserError) as caught:
        run(Agent("A", model=ScriptedModel([])), "go", **options)

    assert what in caught.value.message
    assert hint in caught.value.message
    assert capture.started == []


@pytest.mark.parametrize(
    ("options", "what", "hint"), [row for row in WRONG if row[0] != {"max_turns": None}]
)
def test_wrong_options_of_tool(options, what, hint):
    """An agent as a tool refuses the same when it is made; a model would not know what to do."""
    with pytest.raises(UserError) as caught:
        Agent("A").as_tool(tool_name="ask", tool_description="Ask.", **options)

    assert what in caught.value.message
    assert hint in caught.value.message


def test_streamed_at_once():
    """run_streamed refuses at the call, not when its events are read."""

    async def main():
        with pytest.raises(UserError, match="as input"):
            Runner.run_streamed(Agent("A"), None)

    asyncio.run(main())


def test_session_of_two_methods(run):
    """A session needs no more than what a run calls."""

    class Short:
        async def get_items(self, limit=None):
            return []

        async def add_items(self, items):
            pass

    agent = Agent("A", model=ScriptedModel(text("x")))

    assert run(agent, "go", session=Short()).final_output == "x"
