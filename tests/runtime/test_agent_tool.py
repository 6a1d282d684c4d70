"""Agents as tools."""

from __future__ import annotations

import asyncio
from textwrap import dedent

import pytest

from runtime import Agent, RunConfig, Runner, UserError
from runtime.testing import ScriptedModel, raises, text, tool_call


def nest(model, depth=3):
    """Agents that each ask the next one, as a tool."""
    agent = Agent(f"level {depth}", model=model)
    for level in range(depth - 1, 0, -1):
        tool = agent.as_tool(f"ask_{level + 1}", "Ask the next.")
        agent = Agent(f"level {level}", tools=[tool], model=model)
    return agent


def test_three_deep(run, capture):
    """Each inner run nests under the call that made it, in the one trace."""
    model = ScriptedModel(
        [
            tool_call("ask_2", {"input": "two"}),
            tool_call("ask_3", {"input": "three"}),
            text("from three"),
            text("from two"),
            text("from one"),
        ]
    )

    result = run(nest(model), "go")

    assert result.final_output == "from one"
    assert [call.last_user_text for call in model.calls][1:3] == ["two", "three"]
    assert result.context_wrapper.usage.requests == 5
    assert len(result.context_wrapper.usage.request_usage_entries) == 5
    assert b"from one" in capture.traces[0].output
    assert (
        capture.tree()
        == dedent("""
        trace Agent workflow
          task Agent workflow
            agent level 1
              turn turn 1
                generation scripted
                function ask_2
                  task Agent workflow
                    agent level 2
                      turn turn 1
                        generation scripted
                        function ask_3
                          task Agent workflow
                            agent level 3
                              turn turn 1
                                generation scripted
                      turn turn 2
                        generation scripted
              turn turn 2
                generation scripted
    """).strip()
    )


def test_name_and_extractor(run):
    """The tool is named after the agent, and an extractor makes the answer."""

    async def extract(result):
        return f"<{result.final_output}>"

    model = ScriptedModel([tool_call("my_expert", {"input": "x"}), text("inner"), text("outer")])
    tool = Agent("My expert", model=model).as_tool(None, "Ask.", custom_output_extractor=extract)

    run(Agent("A", tools=[tool], model=model), "go")

    assert tool.name == "my_expert"
    assert model.calls[2].tool_outputs == ["<inner>"]


def test_inner_failure(run):
    """An inner run that fails is told to the outer model, and what it used is counted."""
    model = ScriptedModel(
        [tool_call("ask_2", {"input": "x"}), raises(ConnectionError("offline")), text("sorry")]
    )

    assert run(nest(model, 2), "go").final_output == "sorry"
    assert "offline" in model.calls[2].tool_outputs[0]


def test_disabled(run):
    """A tool that is switched off is not offered."""
    model = ScriptedModel([text("ok")])
    tool = Agent("B").as_tool("b", "Ask.", is_enabled=lambda ctx, agent: False)

    run(Agent("A", tools=[tool], model=model), "go")

    assert model.calls[0].tool_names == []


def test_max_turns(run):
    """The inner run has turns of its own."""
    model = ScriptedModel(
        lambda call: (
            tool_call("b", {"input": "x"})
            if call.instructions == "outer" and not call.tool_outputs
            else text("done")
            if call.instructions == "outer"
            else tool_call("leaf", {"input": "x"})
        )
    )
    leaf = Agent("Leaf", model=ScriptedModel(lambda call: text("leaf"))).as_tool("leaf", "Leaf.")
    b = Agent("B", instructions="inner", tools=[leaf], model=model).as_tool("b", "B.", max_turns=2)

    run(Agent("A", instructions="outer", tools=[b], model=model), "go")

    assert "2 turns" in model.calls[-1].tool_outputs[0]


def test_config_taken_over(run, capture):
    """The inner run takes over the outer run's config: its model, and what must not be recorded."""
    model = ScriptedModel([tool_call("b", {"input": "secret"}), text("secret"), text("done")])
    config = RunConfig(model=model, trace_include_sensitive_data=False)

    run(Agent("A", tools=[Agent("B").as_tool("b", "B.")]), "go", run_config=config)

    assert len(model.calls) == 3
    assert all(b"secret" not in span.data for span in capture.spans)


def test_on_stream(run):
    """Events of the inner run reach on_stream as they happen."""
    seen = []

    async def watch(event):
        seen.append((event["agent"].name, event["tool_call"].name, event["event"].type))

    model = ScriptedModel([tool_call("b", {"input": "x"}), text("inner"), text("outer")])
    tool = Agent("B", model=model).as_tool("b", "Ask.", on_stream=watch)

    run(Agent("A", tools=[tool], model=model), "go")

    assert seen[0] == ("B", "b", "agent_updated_stream_event")
    assert seen[-1] == ("B", "b", "run_item_stream_event")
    assert model.calls[2].tool_outputs == ["inner"]


def test_on_stream_raises():
    """What on_stream raises ends the inner run and is told to the outer model."""

    def watch(event):
        raise LookupError("no screen")

    async def main():
        model = ScriptedModel([tool_call("b", {"input": "x"}), text("inner"), text("outer")])
        tool = Agent("B", model=model).as_tool("b", "Ask.", on_stream=watch)
        result = await Runner.run(Agent("A", tools=[tool], model=model), "go")
        return result, asyncio.all_tasks() - {asyncio.current_task()}

    result, left = asyncio.run(main())

    assert "no screen" in str(result.to_input_list())
    assert left == set()


def test_wrong_instructions():
    """An instructions function of the wrong shape is an error that names the agent."""
    with pytest.raises(UserError, match="'A'"):
        Runner.run_sync(Agent("A", instructions=lambda ctx: "x", model=ScriptedModel([])), "go")
