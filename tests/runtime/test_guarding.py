"""Guardrails in a run, the same for all three verbs."""

from __future__ import annotations

import asyncio
import json
from textwrap import dedent

import pytest

from runtime import (
    Agent,
    GuardrailFunctionOutput,
    InputGuardrail,
    InputGuardrailTripwireTriggered,
    OutputGuardrailTripwireTriggered,
    RunConfig,
    UserError,
    function_tool,
    input_guardrail,
    output_guardrail,
)
from runtime.testing import ScriptedModel, handoff_to, hang, text, tool_call


def verdict(trip: bool, info: object = "info") -> GuardrailFunctionOutput:
    """What a guardrail found."""
    return GuardrailFunctionOutput(output_info=info, tripwire_triggered=trip)


@input_guardrail
def fine(ctx, agent, input):
    """Agree."""
    return verdict(False)


@input_guardrail(name="homework")
async def trips(ctx, agent, input):
    """Refuse."""
    return verdict(True, {"subject": "math"})


@output_guardrail
async def bad_output(ctx, agent, output):
    """Refuse."""
    return verdict(True, output)


def test_agreeing(run, capture):
    """Guardrails that agree leave their results, and their spans stand in the turn."""
    agent = Agent("A", input_guardrails=[fine], model=ScriptedModel([text("ok")]))

    result = run(agent, "go")

    assert [r.guardrail.get_name() for r in result.input_guardrail_results] == ["fine"]
    assert {"generation", "guardrail"} == {
        span.type for span in capture.spans if span.parent_id == capture.named("turn 1").span_id
    }


def test_trip_cancels_model(run, capture):
    """A guardrail that trips cancels the model call beside it; the trace shows both."""
    asked = asyncio.Event()

    @input_guardrail
    async def late(ctx, agent, input):
        """Refuse once the model has been asked."""
        await asked.wait()
        return verdict(True)

    def reply(call):
        asked.set()
        return hang()

    model = ScriptedModel(reply)

    with pytest.raises(InputGuardrailTripwireTriggered, match="'late'") as caught:
        run(Agent("A", input_guardrails=[late], model=model), "go")

    assert caught.value.guardrail_result.guardrail is late
    assert caught.value.run_data.new_items == []
    assert (
        capture.tree()
        == dedent("""
        trace Agent workflow [error]
          task Agent workflow [error]
            agent A [error]
              turn turn 1 [error]
                generation scripted [cancelled]
                guardrail late
    """).strip()
    )
    assert json.loads(capture.named("turn 1").error) == {
        "message": "Guardrail tripwire triggered",
        "data": {"guardrail": "late"},
    }
    assert json.loads(capture.named("late").data)["triggered"] is True


def test_blocking(run, capture):
    """A blocking guardrail that trips saves the model call."""
    model = ScriptedModel([])
    blocking = InputGuardrail(
        lambda ctx, agent, input: verdict(True), name="first", run_in_parallel=False
    )

    with pytest.raises(InputGuardrailTripwireTriggered, match="'first'"):
        run(Agent("A", input_guardrails=[blocking], model=model), "go")

    assert model.calls == []
    assert capture.of_type("generation") == []


def test_tools_wait(run):
    """No tool runs before every input guardrail has agreed."""
    called = []
    asked = asyncio.Event()

    @function_tool
    def effect() -> str:
        """Have an effect."""
        called.append(True)
        return "done"

    @input_guardrail
    async def slow(ctx, agent, input):
        """Refuse long after the model has answered."""
        await asked.wait()
        for _ in range(50):
            await asyncio.sleep(0)
        return verdict(True)

    def reply(call):
        asked.set()
        return tool_call("effect")

    model = ScriptedModel(reply)

    with pytest.raises(InputGuardrailTripwireTriggered):
        run(Agent("A", tools=[effect], input_guardrails=[slow], model=model), "go")

    assert not called


def test_config_guardrails(run):
    """Guardrails of the run stand beside those of the agent."""
    config = RunConfig(input_guardrails=[trips])

    with pytest.raises(InputGuardrailTripwireTriggered, match="'homework'"):
        run(Agent("A", model=ScriptedModel([text("x")])), "go", run_config=config)


def test_first_agent_only(run):
    """Input guardrails of an agent that takes over do not run."""
    model = ScriptedModel([handoff_to("B"), text("ok")])
    b = Agent("B", input_guardrails=[trips], model=model)

    assert run(Agent("A", handoffs=[b], model=model), "go").final_output == "ok"


def test_output_guardrail(run, capture):
    """An output guardrail sees the final output and can refuse it."""
    agent = Agent("A", output_guardrails=[bad_output], model=ScriptedModel([text("secret")]))

    with pytest.raises(OutputGuardrailTripwireTriggered, match="'bad_output'") as caught:
        run(agent, "go")

    assert caught.value.guardrail_result.agent_output == "secret"
    assert [item.type for item in caught.value.run_data.new_items] == ["message_output_item"]
    assert capture.traces[0].output is None
    assert (
        capture.tree()
        == dedent("""
        trace Agent workflow [error]
          task Agent workflow [error]
            agent A [error]
              turn turn 1 [error]
                generation scripted
                guardrail bad_output
    """).strip()
    )


def test_last_agent_only(run):
    """Output guardrails of an agent that handed off do not run."""
    model = ScriptedModel([handoff_to("B"), text("ok")])
    a = Agent("A", handoffs=[Agent("B", model=model)], output_guardrails=[bad_output], model=model)

    assert run(a, "go").final_output == "ok"


@pytest.mark.parametrize("function", ["not callable", lambda ctx, agent, input: True])
def test_wrong_guardrail(run, function):
    """A guardrail that cannot be called or returns no verdict is an error that says so."""
    guardrail = InputGuardrail(function, name="wrong")

    with pytest.raises(UserError, match="GuardrailFunctionOutput"):
        run(Agent("A", input_guardrails=[guardrail], model=ScriptedModel([text("x")])), "go")


def test_guardrail_raises(run):
    """What a guardrail raises comes out as it is."""

    def broken(ctx, agent, input):
        raise LookupError("no list")

    with pytest.raises(LookupError, match="no list"):
        run(
            Agent("A", input_guardrails=[InputGuardrail(broken)], model=ScriptedModel([hang()])),
            "go",
        )
