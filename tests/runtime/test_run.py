"""The verbs themselves: what they refuse, record and leave behind."""

from __future__ import annotations

import asyncio
import contextvars

import pytest

from runtime import (
    Agent,
    ModelBehaviorError,
    ModelInputData,
    RunConfig,
    Runner,
    UserError,
    function_tool,
    get_current_trace,
    trace,
)
from runtime.model_settings import ModelSettings
from runtime.models.interface import Model, ModelProvider
from runtime.testing import ScriptedModel, hang, raises, text, tool_call


@function_tool
def look() -> str:
    """Look."""
    return "seen"


def test_run_sync_inside_loop():
    """run_sync inside a running loop is refused, and says what to use."""

    async def main():
        with pytest.raises(UserError, match=r"await Runner\.run"):
            Runner.run_sync(Agent("A", model=ScriptedModel([])), "go")

    asyncio.run(main())


def test_run_streamed_outside_loop():
    """run_streamed without a running loop is refused, and says what to use."""
    with pytest.raises(UserError, match="run_sync"):
        Runner.run_streamed(Agent("A", model=ScriptedModel([])), "go")


def test_no_agent(run):
    """Something that is no agent is refused by name of its type."""
    with pytest.raises(UserError, match="'str'"):
        run("go", "A")


def test_error_without_attributes(run):
    """An exception that takes no attributes comes out all the same."""

    class Closed(Exception):
        __slots__ = ()

        def __setattr__(self, name, value):
            if name in ("run_data", "trace_id"):
                raise AttributeError(name)
            super().__setattr__(name, value)

    with pytest.raises(Closed):
        run(Agent("A", model=ScriptedModel([raises(Closed())])), "go")


def test_trace_settings(run, capture):
    """Name, ids and metadata of the trace come from the run's config."""
    config = RunConfig(
        workflow_name="Answer",
        trace_id="trace_" + "0" * 32,
        group_id="chat",
        trace_metadata={"tenant": "x"},
    )

    run(Agent("A", model=ScriptedModel([text("hello")])), "go", run_config=config)

    (recorded,) = capture.traces
    assert (recorded.name, recorded.trace_id, recorded.group_id) == (
        "Answer",
        "trace_" + "0" * 32,
        "chat",
    )
    assert b"tenant" in recorded.metadata
    assert b"go" in recorded.input
    assert b"hello" in recorded.output


def test_joins_trace(run, capture):
    """Runs inside a trace of the caller's join it instead of starting their own."""
    agent = Agent("A", model=ScriptedModel([text("one"), text("two")]))

    with trace("chat"):
        run(agent, "first")
        run(agent, "second")

    (recorded,) = capture.traces
    assert recorded.name == "chat"
    assert b"first" in recorded.input
    assert b"two" in recorded.output
    assert len(capture.of_type("task")) == 2


@pytest.mark.parametrize("inside", [False, True])
def test_tracing_disabled(run, capture, inside):
    """A run that is not to be recorded is not, not even inside a trace of the caller's."""
    config = RunConfig(tracing_disabled=True)
    model = ScriptedModel([tool_call("look"), text("x")])
    agent = Agent("A", tools=[look], model=model)

    if inside:
        with trace("mine"):
            run(agent, "go", run_config=config)
    else:
        run(agent, "go", run_config=config)

    assert capture.started == []
    assert model.calls[0].tracing.is_disabled()


def test_without_steps(run, capture):
    """Task and turn spans can be left out."""
    config = RunConfig(tracing={"include_task_and_turn_spans": False})

    run(Agent("A", model=ScriptedModel([text("x")])), "go", run_config=config)

    assert capture.tree() == "trace Agent workflow\n  agent A\n    generation scripted"


def test_stopped_run_keeps_output(capture):
    """A run that was stopped has no output, so that of the run before it in the trace stays."""

    async def main():
        model = ScriptedModel([text("one"), tool_call("look")])
        agent = Agent("A", tools=[look], model=model)
        with trace("chat"):
            await Runner.run(agent, "first")
            result = Runner.run_streamed(agent, "second")
            result.cancel("after_turn")
            async for _ in result.stream_events():
                pass

    asyncio.run(main())

    assert b"one" in capture.traces[0].output


def test_run_in_sync_tool(run, capture):
    """A tool that is not async can run an agent of its own, in the trace of its caller."""

    @function_tool
    def ask() -> str:
        """Ask."""
        inner = Agent("Inner", model=ScriptedModel([text("inner")]))
        return Runner.run_sync(inner, "go").final_output

    model = ScriptedModel([tool_call("ask"), text("outer")])

    run(Agent("A", tools=[ask], model=model), "go")

    assert model.calls[1].tool_outputs == ["inner"]
    assert len(capture.traces) == 1
    assert b"outer" in capture.traces[0].output


def test_context_restored(run):
    """After a run nothing of it is current for the caller."""
    run(Agent("A", model=ScriptedModel([text("x")])), "go")

    assert get_current_trace() is None


def test_config_model(run):
    """The run's model and settings win over the agent's."""
    mine, other = ScriptedModel([text("mine")]), ScriptedModel([])
    config = RunConfig(model=mine, model_settings=ModelSettings(temperature=0.5))
    settings = ModelSettings(temperature=1, top_p=0.1)

    run(Agent("A", model=other, model_settings=settings), "go", run_config=config)

    assert mine.calls[0].model_settings.temperature == 0.5
    assert mine.calls[0].model_settings.top_p == 0.1


def test_model_by_name(run):
    """A name goes to the provider, that of the run before that of the agent."""
    asked = []

    class Provider(ModelProvider):
        def get_model(self, model_name):
            asked.append(model_name)
            return ScriptedModel([text("x")])

    config = RunConfig(model_provider=Provider())
    run(Agent("A", model="small"), "go", run_config=config)
    run(Agent("A"), "go", run_config=config)
    config.model = "large"
    run(Agent("A", model="small"), "go", run_config=config)

    assert asked == ["small", None, "large"]


def test_call_model_input_filter(run):
    """The filter has the last word on what is sent; the run's own history is whole."""

    async def shorten(data):
        data.model_data.input[0]["content"] = "changed"
        return ModelInputData(input=data.model_data.input[-1:], instructions="Short.")

    model = ScriptedModel([tool_call("look"), text("x")])
    config = RunConfig(call_model_input_filter=shorten)

    result = run(Agent("A", tools=[look], model=model), "go", run_config=config)

    assert [len(call.input) for call in model.calls] == [1, 1]
    assert model.calls[0].instructions == "Short."
    assert len(result.to_input_list()) == 4
    assert result.to_input_list()[0]["content"] == "go"
    assert model.calls[0].input[0]["content"] == "changed"


def test_bad_input_filter(run):
    """A filter that returns something else is an error."""
    config = RunConfig(call_model_input_filter=lambda data: None)

    with pytest.raises(UserError, match="ModelInputData"):
        run(Agent("A", model=ScriptedModel([])), "go", run_config=config)


def test_concurrent_runs(capture):
    """Runs at once, of one agent, keep their spans, usage and outputs apart."""

    async def main():
        def reply(call):
            if not call.tool_outputs:
                return tool_call("look", delay=0.001)
            return text(f"for {call.last_user_text}")

        agent = Agent("A", tools=[look], model=ScriptedModel(reply))
        return await asyncio.gather(*(Runner.run(agent, f"user {i}") for i in range(20)))

    results = asyncio.run(main())

    assert [r.final_output for r in results] == [f"for user {i}" for i in range(20)]
    assert {r.context_wrapper.usage.requests for r in results} == {2}
    lone = """trace Agent workflow
  task Agent workflow
    agent A
      turn turn 1
        generation scripted
        function look
      turn turn 2
        generation scripted"""
    assert capture.tree() == "\n".join([lone] * 20)


def test_cancelled_run(capture):
    """A run that is cancelled from outside closes its spans and leaves no task."""

    async def main():
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.02):
                await Runner.run(Agent("A", model=ScriptedModel([hang()])), "go")
        return asyncio.all_tasks() - {asyncio.current_task()}

    assert asyncio.run(main()) == set()
    assert {span.status for span in capture.spans} == {"cancelled"}


def test_wrong_model_answer():
    """A model class that returns something else than a response is an error that says so."""

    class Wrong(Model):
        async def get_response(self, *args, **kwargs):
            return "hello"

        async def stream_response(self, *args, **kwargs):
            return
            yield

    agent = Agent("A", model=Wrong())

    with pytest.raises(ModelBehaviorError, match="ModelResponse"):
        Runner.run_sync(agent, "go")

    async def read():
        async for _ in Runner.run_streamed(agent, "go").stream_events():
            pass

    async def main():
        with pytest.raises(ModelBehaviorError, match=r"response\.completed"):
            await read()

    asyncio.run(main())


def test_run_sync_keeps_loop():
    """Runs of one thread share a loop, so that a client's connections outlive the first run."""
    loops = set()

    @function_tool
    async def which() -> str:
        """Tell the loop."""
        loops.add(asyncio.get_running_loop())
        return "noted"

    for _ in range(2):
        model = ScriptedModel([tool_call("which"), text("x")])
        Runner.run_sync(Agent("A", tools=[which], model=model), "go")

    assert len(loops) == 1


def test_run_sync_context():
    """A run_sync sees the context variables of its caller, as they are now."""
    variable = contextvars.ContextVar("variable", default="none")
    seen = []

    @function_tool
    def which() -> str:
        """Tell the variable."""
        seen.append(variable.get())
        return "noted"

    for value in ("one", "two"):
        variable.set(value)
        model = ScriptedModel([tool_call("which"), text("x")])
        Runner.run_sync(Agent("A", tools=[which], model=model), "go")

    assert seen == ["one", "two"]
