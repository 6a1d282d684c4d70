"""Sessions and conversations kept by the provider, the same for all three verbs."""

from __future__ import annotations

import pytest

from runtime import (
    Agent,
    InputGuardrailTripwireTriggered,
    RunConfig,
    SQLiteSession,
    UserError,
    function_tool,
    handoff,
)
from runtime.conversation import without_orphans
from runtime.extensions.handoff_filters import remove_all_tools
from runtime.guardrail import GuardrailFunctionOutput, InputGuardrail
from runtime.testing import ScriptedModel, handoff_to, raises, text, tool_call


@function_tool
def look() -> str:
    """Look."""
    return "seen"


def said(items):
    """What users said, and the types of all other items."""
    return [item.get("content") if item.get("role") == "user" else item["type"] for item in items]


def items_of(session):
    """What a session keeps."""
    return session._get(None)


def test_two_runs(run):
    """The second run sees all of the first, and the session keeps both."""
    session = SQLiteSession("s")
    model = ScriptedModel([tool_call("look"), text("one"), text("two")])
    agent = Agent("A", tools=[look], model=model)

    run(agent, "first", session=session)
    result = run(agent, "second", session=session)

    everything = ["first", "function_call", "function_call_output", "message", "second"]
    assert said(model.calls[2].input) == everything
    assert said(items_of(session)) == [*everything, "message"]
    assert said(result.to_input_list()) == [*everything, "message"]


def test_list_input(run):
    """A list of items goes after the history, like a text."""
    session = SQLiteSession("s")
    model = ScriptedModel([text("one"), text("two")])
    agent = Agent("A", model=model)

    run(agent, "first", session=session)
    run(agent, [{"role": "user", "content": "second"}], session=session)

    assert said(model.calls[1].input) == ["first", "message", "second"]


def test_own_session(run):
    """Any object with the four methods is a session, even one that does nothing yet."""

    class Mine:
        session_id = "mine"
        kept = ()

        async def get_items(self, limit=None):
            return None

        async def add_items(self, items):
            self.kept = [*self.kept, *items]

    mine = Mine()

    run(Agent("A", model=ScriptedModel([text("one")])), "first", session=mine)

    assert said(mine.kept) == ["first", "message"]


@pytest.mark.parametrize("asynchronous", [False, True])
def test_input_callback(run, asynchronous):
    """A callback makes the input; the session still gets every new item."""
    session = SQLiteSession("s")
    model = ScriptedModel([text("one"), text("two")])

    def latest(history, new):
        return history[-1:] + new

    async def latest_async(history, new):
        return latest(history, new)

    config = RunConfig(session_input_callback=latest_async if asynchronous else latest)
    agent = Agent("A", model=model)
    run(agent, "first", session=session, run_config=config)
    run(agent, "second", session=session, run_config=config)

    assert said(model.calls[1].input) == ["message", "second"]
    assert said(items_of(session)) == ["first", "message", "second", "message"]


def test_bad_callback(run):
    """A callback that returns no list is an error."""
    config = RunConfig(session_input_callback=lambda history, new: None)

    with pytest.raises(UserError, match="session_input_callback"):
        run(Agent("A"), "go", session=SQLiteSession("s"), run_config=config)


def test_failed_turn(run):
    """A session gets whole turns: of a turn that failed nothing is kept."""
    session = SQLiteSession("s")
    model = ScriptedModel([tool_call("look"), raises(ConnectionError())])

    with pytest.raises(ConnectionError):
        run(Agent("A", tools=[look], model=model), "first", session=session)

    assert said(items_of(session)) == ["first", "function_call", "function_call_output"]


def test_refused_input(run):
    """What an input guardrail refuses does not get into the session."""
    session = SQLiteSession("s")
    guard = InputGuardrail(lambda ctx, agent, input: GuardrailFunctionOutput(None, True), name="g")

    with pytest.raises(InputGuardrailTripwireTriggered):
        run(
            Agent("A", input_guardrails=[guard], model=ScriptedModel([text("x")])),
            "first",
            session=session,
        )

    assert items_of(session) == []


def test_filter_spares_session(run):
    """A handoff's filter changes what the next agent sees, not what the session keeps."""
    session = SQLiteSession("s")
    model = ScriptedModel([handoff_to("B"), text("ok")])
    way = handoff(Agent("B", model=model), input_filter=remove_all_tools)

    run(Agent("A", handoffs=[way], model=model), "go", session=session)

    assert said(items_of(session)) == ["go", "function_call", "function_call_output", "message"]


@pytest.mark.parametrize(
    "options",
    [{"previous_response_id": "r"}, {"conversation_id": "c"}, {"auto_previous_response_id": True}],
)
def test_session_and_provider(run, options):
    """A session beside a conversation kept by the provider is refused."""
    with pytest.raises(UserError, match="Leave one out"):
        run(Agent("A"), "go", session=SQLiteSession("s"), **options)


def test_chain(run):
    """Each call continues the response before it and sends only what is new."""
    model = ScriptedModel([tool_call("look"), text("ok")])

    result = run(Agent("A", tools=[look], model=model), "go", previous_response_id="resp_before")

    first, second = model.calls
    assert first.previous_response_id == "resp_before"
    assert said(first.input) == ["go"]
    assert second.previous_response_id == result.raw_responses[0].response_id
    assert said(second.input) == ["function_call_output"]


def test_automatic_chain(run):
    """The first call continues nothing, the second one the first."""
    model = ScriptedModel([tool_call("look"), text("ok")])

    run(Agent("A", tools=[look], model=model), "go", auto_previous_response_id=True)

    assert model.calls[0].previous_response_id is None
    assert said(model.calls[1].input) == ["function_call_output"]
    assert model.calls[1].previous_response_id


def test_conversation_id(run):
    """A conversation's id goes with every call, and only new items do."""
    model = ScriptedModel([tool_call("look"), text("ok")])

    run(Agent("A", tools=[look], model=model), "go", conversation_id="conv")

    assert [call.conversation_id for call in model.calls] == ["conv", "conv"]
    assert [call.previous_response_id for call in model.calls] == [None, None]
    assert said(model.calls[1].input) == ["function_call_output"]


def test_chain_and_filter(run):
    """What the provider keeps cannot be filtered, so a filter is refused."""
    model = ScriptedModel([handoff_to("B")])
    way = handoff(Agent("B", model=model), input_filter=remove_all_tools)

    with pytest.raises(UserError, match="filter"):
        run(Agent("A", handoffs=[way], model=model), "go", conversation_id="conv")


def test_orphans():
    """Reasoning stays only where an output of the model follows it."""
    call, reason = {"type": "function_call"}, {"type": "reasoning"}
    answer, user = {"type": "function_call_output"}, {"role": "user", "content": "x"}
    reply = {"type": "message", "role": "assistant"}

    assert without_orphans([user, reason, call, answer]) == [user, reason, call, answer]
    assert without_orphans([reason, reason, reply]) == [reason, reason, reply]
    assert without_orphans([reason, user, reason, answer, reason]) == [user, answer]
