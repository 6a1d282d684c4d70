"""The loop, the same for all three verbs."""

from __future__ import annotations

import asyncio
import json
import threading
from textwrap import dedent

import pytest
from pydantic import BaseModel

from runtime import (
    Agent,
    MaxTurnsExceeded,
    ModelBehaviorError,
    RunConfig,
    UserError,
    function_tool,
    handoff,
)
from runtime.agent import StopAtTools, ToolsToFinalOutputResult
from runtime.extensions.handoff_filters import remove_all_tools
from runtime.hand_over import NOT_THIS_ONE
from runtime.model_settings import ModelSettings
from runtime.testing import (
    Answer,
    ScriptedModel,
    handoff_to,
    hang,
    raises,
    reasoning,
    refusal,
    structured,
    text,
    tool_call,
    tool_calls,
)


def tree(expected: str) -> str:
    """A tree of spans as the test wrote it, without its margin."""
    return dedent(expected).strip()


@function_tool
def add(a: int, b: int) -> int:
    """Add."""
    return a + b


@function_tool
def thread_name() -> str:
    """Tell the thread."""
    return threading.current_thread().name


def kinds(result):
    """The types of a run's items."""
    return [item.type for item in result.new_items]


class Weather(BaseModel):
    city: str
    degrees: int


def test_plain_answer(run, capture):
    """A message without calls is the final output, and the trace holds one turn."""
    model = ScriptedModel([text("hello")])

    result = run(Agent("Greeter", instructions="Greet.", model=model), "hi")

    assert result.final_output == "hello"
    assert kinds(result) == ["message_output_item"]
    assert result.last_agent.name == "Greeter"
    assert result.last_response_id
    assert result.to_input_list()[0] == {"role": "user", "content": "hi"}
    assert result.context_wrapper.usage.requests == 1
    assert model.calls[0].instructions == "Greet."
    assert capture.tree() == tree("""
        trace Agent workflow
          task Agent workflow
            agent Greeter
              turn turn 1
                generation scripted
    """)


def test_tools(run, capture):
    """Tools of one turn answer in the order of the calls, and the model sees the answers."""
    model = ScriptedModel(
        [tool_calls([("add", {"a": 1, "b": 2}), ("add", {"a": 3, "b": 4})]), text("3 and 7")]
    )

    result = run(Agent("A", tools=[add], model=model), "add")

    assert result.final_output == "3 and 7"
    assert kinds(result) == ["tool_call_item"] * 2 + ["tool_call_output_item"] * 2 + [
        "message_output_item"
    ]
    assert model.calls[1].tool_outputs == ["3", "7"]
    assert capture.tree() == tree("""
        trace Agent workflow
          task Agent workflow
            agent A
              turn turn 1
                generation scripted
                function add
                function add
              turn turn 2
                generation scripted
    """)


def test_parallel_tools(run):
    """Tools of one turn run at once: each waits here until the other has started."""
    barrier: list[asyncio.Event] = []

    @function_tool
    async def meet(me: int) -> str:
        """Meet the other."""
        if not barrier:
            barrier.append(asyncio.Event())
            await asyncio.wait_for(barrier[0].wait(), timeout=60)
            return f"late {me}"
        barrier[0].set()
        return f"early {me}"

    model = ScriptedModel([tool_calls([("meet", {"me": 1}), ("meet", {"me": 2})]), text("met")])

    run(Agent("A", tools=[meet], model=model), "go")

    assert model.calls[1].tool_outputs == ["late 1", "early 2"]


def test_sync_tool(run):
    """A tool that is not async runs in a thread, so that it cannot block the event loop."""
    model = ScriptedModel([tool_call("thread_name"), text("ok")])

    run(Agent("A", tools=[thread_name], model=model), "go")

    assert model.calls[1].tool_outputs != [threading.current_thread().name]


def test_tool_error_told(run, capture):
    """A tool's error becomes an answer for the model; its span has the error, the run goes on."""

    @function_tool
    def broken() -> str:
        """Break."""
        raise ValueError("no such table")

    model = ScriptedModel([tool_call("broken"), text("sorry")])

    result = run(Agent("A", tools=[broken], model=model), "go")

    assert result.final_output == "sorry"
    assert "no such table" in model.calls[1].tool_outputs[0]
    span = capture.named("broken")
    assert span.status == "error"
    assert "ValueError" in json.loads(span.error)["data"]["stack"]
    assert capture.named("turn 1").status == "ok"


def test_tool_error_raised(run, capture):
    """Without a failure function the error ends the run, and the other tools are cancelled."""
    cancelled: list[str] = []

    @function_tool(failure_error_function=None)
    async def broken() -> str:
        """Break."""
        raise ValueError("no such table")

    @function_tool
    async def slow() -> str:
        """Wait for ever."""
        try:
            await asyncio.Event().wait()
        except asyncio.CancelledError:
            cancelled.append("slow")
            raise
        return "never"

    model = ScriptedModel([tool_calls([("slow", {}), ("broken", {})])])

    with pytest.raises(UserError, match="failure_error_function") as caught:
        run(Agent("A", tools=[broken, slow], model=model), "go")

    assert isinstance(caught.value.__cause__, ValueError)
    assert cancelled == ["slow"]
    assert capture.tree() == tree("""
        trace Agent workflow [error]
          task Agent workflow [error]
            agent A [error]
              turn turn 1 [error]
                generation scripted
                function slow [cancelled]
                function broken [error]
    """)


def test_tool_cancels_itself(run):
    """A tool that raises CancelledError fails like any other; the run does not look cancelled."""

    @function_tool(failure_error_function=None)
    async def odd() -> str:
        """Raise CancelledError."""
        raise asyncio.CancelledError

    with pytest.raises(UserError, match="CancelledError"):
        run(Agent("A", tools=[odd], model=ScriptedModel([tool_call("odd")])), "go")


def test_unknown_tool(run):
    """A call of a tool the agent does not have is an error that lists those it has."""
    model = ScriptedModel([tool_call("subtract")])

    with pytest.raises(ModelBehaviorError, match=r"'subtract'.*'add'"):
        run(Agent("A", tools=[add], model=model), "go")


def test_bad_arguments(run):
    """Arguments that are no JSON are told to the model, or raise where the tool wants that."""

    @function_tool(failure_error_function=None)
    def strict(a: int) -> int:
        """Take a number."""
        return a

    told = ScriptedModel([tool_call("add", "{"), text("sorry")])
    assert run(Agent("A", tools=[add], model=told), "go").final_output == "sorry"

    raised = ScriptedModel([tool_call("strict", "{")])
    with pytest.raises(ModelBehaviorError, match="strict"):
        run(Agent("A", tools=[strict], model=raised), "go")


def test_duplicate_tools(run):
    """Two tools of one name are refused before the model is called."""
    model = ScriptedModel([])

    with pytest.raises(UserError, match="'add'"):
        run(Agent("A", tools=[add, add], model=model), "go")

    assert model.calls == []


def test_structured_output(run):
    """JSON that fits the output type becomes an object of it."""
    model = ScriptedModel([structured(Weather(city="Oslo", degrees=-3))])

    result = run(Agent("A", output_type=Weather, model=model), "weather?")

    assert result.final_output == Weather(city="Oslo", degrees=-3)
    assert result.final_output_as(Weather).city == "Oslo"


def test_wrapped_output(run):
    """A type that is no object travels inside one."""
    model = ScriptedModel([structured({"response": [1, 2]})])

    assert run(Agent("A", output_type=list[int], model=model), "go").final_output == [1, 2]


@pytest.mark.parametrize("answer", ['{"city": "Oslo"}', "no JSON", '{"city": 1, "degrees": "x"}'])
def test_invalid_output(run, answer):
    """JSON that does not fit the output type is an error that does not repeat the JSON."""
    model = ScriptedModel([text(answer)])

    with pytest.raises(ModelBehaviorError, match="Weather") as caught:
        run(Agent("A", output_type=Weather, model=model), "weather?")

    assert "Oslo" not in str(caught.value)


def test_refusal(run):
    """A refusal is the text of a plain output, and an error where an object was asked for."""
    plain = ScriptedModel([refusal("I will not")])
    assert run(Agent("A", model=plain), "go").final_output == "I will not"

    typed = ScriptedModel([refusal("I will not")])
    with pytest.raises(ModelBehaviorError, match="refused"):
        run(Agent("A", output_type=Weather, model=typed), "go")


@pytest.mark.parametrize("answer", [Answer(parts=()), reasoning("hm")])
def test_no_answer(run, answer):
    """A response with neither message nor call is an error."""
    with pytest.raises(ModelBehaviorError, match="with nothing"):
        run(Agent("A", model=ScriptedModel([answer])), "go")


def test_silent_model(run):
    """A model that never answers ends the run at model_timeout."""
    config = RunConfig(model_timeout=0.01)

    with pytest.raises(ModelBehaviorError, match="model_timeout"):
        run(Agent("A", model=ScriptedModel([hang()])), "go", run_config=config)


def test_own_timeout(run):
    """A TimeoutError of the model's own comes out as it is."""
    config = RunConfig(model_timeout=60)
    mine = TimeoutError("mine")

    with pytest.raises(TimeoutError) as caught:
        run(Agent("A", model=ScriptedModel([raises(mine)])), "go", run_config=config)

    assert caught.value is mine


def test_model_raises(run, capture):
    """What the model raises comes out as it is, with what the run had produced and its trace."""
    boom = ConnectionError("offline")
    model = ScriptedModel([tool_call("add", {"a": 1, "b": 2}), raises(boom)])

    with pytest.raises(ConnectionError) as caught:
        run(Agent("A", tools=[add], model=model), "go")

    assert caught.value is boom
    assert [item.type for item in boom.run_data.new_items] == [
        "tool_call_item",
        "tool_call_output_item",
    ]
    assert boom.run_data.context_wrapper.usage.requests == 1
    assert boom.trace_id == capture.traces[0].trace_id


def test_handoff(run, capture):
    """The other agent takes over, sees the conversation and gives the output."""
    model = ScriptedModel([handoff_to("Refunds"), text("refunded")])
    refunds = Agent("Refunds", model=model)

    result = run(Agent("Triage", handoffs=[refunds], model=model), "money back")

    assert result.final_output == "refunded"
    assert result.last_agent is refunds
    assert kinds(result) == ["handoff_call_item", "handoff_output_item", "message_output_item"]
    assert [item["type"] for item in model.calls[1].input[1:]] == [
        "function_call",
        "function_call_output",
    ]
    assert capture.tree() == tree("""
        trace Agent workflow
          task Agent workflow
            agent Triage
              turn turn 1
                generation scripted
                handoff Triage → Refunds
            agent Refunds
              turn turn 2
                generation scripted
    """)


def test_handoff_input(run):
    """What the model sends along reaches on_handoff in its type."""
    got: list[Weather] = []
    model = ScriptedModel([handoff_to("B", {"city": "Oslo", "degrees": 1}), text("ok")])
    b = Agent("B", model=model)
    way = handoff(b, on_handoff=lambda ctx, data: got.append(data), input_type=Weather)

    run(Agent("A", handoffs=[way], model=model), "go")

    assert got == [Weather(city="Oslo", degrees=1)]


def test_handoff_bad_input(run):
    """What does not fit the input type is the model's error."""
    model = ScriptedModel([handoff_to("B", {"city": "Oslo"})])
    way = handoff(Agent("B"), on_handoff=lambda ctx, data: None, input_type=Weather)

    with pytest.raises(ModelBehaviorError, match="transfer_to_b"):
        run(Agent("A", handoffs=[way], model=model), "go")


def test_several_handoffs(run, capture):
    """The first handoff of a turn wins; the others are answered all the same."""
    model = ScriptedModel([handoff_to("B") + handoff_to("C"), text("I am B")])
    b, c = Agent("B", model=model), Agent("C", model=model)

    result = run(Agent("A", handoffs=[b, c], model=model), "go")

    assert result.last_agent is b
    assert kinds(result) == [
        "handoff_call_item",
        "handoff_call_item",
        "tool_call_output_item",
        "handoff_output_item",
        "message_output_item",
    ]
    assert model.calls[1].tool_outputs[0] == NOT_THIS_ONE
    assert json.loads(capture.of_type("handoff")[0].error)["data"] == {
        "requested_agents": ["B", "C"]
    }


def test_tools_before_handoff(run):
    """Tools called beside a handoff run before it."""
    model = ScriptedModel([handoff_to("B") + tool_call("add", {"a": 1, "b": 2}), text("B knows")])

    result = run(Agent("A", tools=[add], handoffs=[Agent("B", model=model)], model=model), "go")

    assert kinds(result)[-3:] == [
        "tool_call_output_item",
        "handoff_output_item",
        "message_output_item",
    ]


@pytest.mark.parametrize("where", ["handoff", "config"])
def test_handoff_filter(run, where):
    """A filter decides what the next agent sees; reasoning without its call is never sent."""
    model = ScriptedModel(
        [
            reasoning("hm") + tool_call("add", {"a": 1, "b": 2}),
            reasoning("so") + handoff_to("B"),
            text("B"),
        ]
    )
    b = Agent("B", model=model)
    filters = {"input_filter": remove_all_tools} if where == "handoff" else {}
    config = RunConfig(handoff_input_filter=remove_all_tools if where == "config" else None)

    run(
        Agent("A", tools=[add], handoffs=[handoff(b, **filters)], model=model),
        "go",
        run_config=config,
    )

    assert model.calls[2].input == [{"role": "user", "content": "go"}]


def test_reasoning_survives(run):
    """Reasoning stays before the call it led to, also across a handoff."""
    model = ScriptedModel([reasoning("hm") + handoff_to("B"), text("B")])

    run(Agent("A", handoffs=[Agent("B", model=model)], model=model), "go")

    assert [item.get("type") for item in model.calls[1].input] == [
        None,
        "reasoning",
        "function_call",
        "function_call_output",
    ]


def test_disabled(run):
    """Tools and handoffs that are switched off are not offered."""
    off = function_tool(lambda: "x", name_override="off", is_enabled=lambda ctx, agent: False)
    model = ScriptedModel([text("ok")])
    way = handoff(Agent("B"), is_enabled=False)

    run(Agent("A", tools=[add, off], handoffs=[way], model=model), "go")

    assert model.calls[0].tool_names == ["add"]


@pytest.mark.parametrize(
    ("behavior", "output"),
    [
        ("run_llm_again", "again"),
        ("stop_on_first_tool", 3),
        (StopAtTools(stop_at_tool_names=["add"]), 3),
        (StopAtTools(stop_at_tool_names=["other"]), "again"),
        (lambda ctx, results: ToolsToFinalOutputResult(True, results[0].output * 2), 6),
        (lambda ctx, results: ToolsToFinalOutputResult(False), "again"),
    ],
)
def test_tool_use_behavior(run, behavior, output):
    """Each of the four forms decides whether the tools' output is the final one."""
    model = ScriptedModel([tool_call("add", {"a": 1, "b": 2}), text("again")])

    result = run(Agent("A", tools=[add], tool_use_behavior=behavior, model=model), "go")

    assert result.final_output == output


def test_wrong_behavior(run):
    """A behavior of no known form is an error that names the forms."""
    model = ScriptedModel([tool_call("add", {"a": 1, "b": 2})])

    with pytest.raises(UserError, match="stop_on_first_tool"):
        run(Agent("A", tools=[add], tool_use_behavior="stop", model=model), "go")


@pytest.mark.parametrize("reset", [True, False])
def test_tool_choice(run, reset):
    """A forced tool choice holds until the agent has used a tool, unless told otherwise."""
    model = ScriptedModel([tool_call("add", {"a": 1, "b": 2}), text("ok")])
    settings = ModelSettings(tool_choice="required")

    run(
        Agent("A", tools=[add], model_settings=settings, reset_tool_choice=reset, model=model),
        "go",
    )

    assert [call.model_settings.tool_choice for call in model.calls] == [
        "required",
        None if reset else "required",
    ]


def test_max_turns(run, capture):
    """The run ends when its turns are used up, and the error says how many there were."""
    model = ScriptedModel(lambda call: tool_call("add", {"a": 1, "b": 2}))

    with pytest.raises(MaxTurnsExceeded, match="2 turns") as caught:
        run(Agent("A", tools=[add], model=model), "go", max_turns=2)

    assert len(model.calls) == 2
    assert len(caught.value.run_data.raw_responses) == 2
    assert capture.tree() == tree("""
        trace Agent workflow [error]
          task Agent workflow [error]
            agent A [error]
              turn turn 1
                generation scripted
                function add
              turn turn 2
                generation scripted
                function add
    """)


def test_context(run):
    """Instructions, tools and hooks see the very object that was passed as context."""
    seen = []

    @function_tool
    def look() -> str:
        """Look."""
        return "looked"

    def instructions(ctx, agent):
        seen.append(ctx.context)
        return f"Serve {ctx.context['name']}."

    model = ScriptedModel([tool_call("look"), text("ok")])
    mine = {"name": "Ada"}

    result = run(
        Agent("A", instructions=instructions, tools=[look], model=model), "go", context=mine
    )

    assert all(context is mine for context in seen)
    assert model.calls[0].instructions == "Serve Ada."
    assert result.context_wrapper.context is mine
