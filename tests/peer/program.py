"""Programs of the `openai-agents` package, recorded by one line of ours.

Prints, as one line of JSON for each span the package ended, what the package itself says of it.
"""

import asyncio
import contextlib
import json
import sys
from typing import Any

import agents
from pydantic import BaseModel

import exporters.duckdb
from runtime.testing import handoff_to, openai_stub, reasoning, structured, text, tool_calls

OSLO = {"city": "Oslo"}
spans: list[Any] = []


class Witness(agents.TracingProcessor):
    """Keeps what the package's own spans hold when they end."""

    def on_trace_start(self, trace: Any) -> None: ...
    def on_trace_end(self, trace: Any) -> None: ...
    def on_span_start(self, span: Any) -> None: ...
    def shutdown(self) -> None: ...
    def force_flush(self) -> None: ...

    def on_span_end(self, span: Any) -> None:
        """Take the export, and what a response span holds beside it."""
        said = json.loads(json.dumps({**span.export(), "type": span.span_data.type}, default=str))
        response = getattr(span.span_data, "response", None)
        if response is not None:
            said["response"] = response.model_dump(mode="json", exclude_unset=True)
            said["input"] = span.span_data.input
        spans.append(said)


class Answer(BaseModel):
    """A structured answer."""

    city: str
    degrees: int


@agents.function_tool
async def weather(city: str) -> str:
    """Weather of a city."""
    return f"{city}: 14 degrees"


@agents.function_tool
def population(city: str) -> str:
    """Fails."""
    raise LookupError(f"no census of {city}")


@agents.input_guardrail
async def polite(context: Any, agent: Any, given: Any) -> agents.GuardrailFunctionOutput:
    """Trips on shouting."""
    shouting = str(given).isupper()
    return agents.GuardrailFunctionOutput(
        output_info={"shouting": shouting}, tripwire_triggered=shouting
    )


async def main() -> None:
    """Run the programs: handoff and tools, a tripped guardrail, streaming, both APIs."""
    script = [
        handoff_to("Expert"),
        reasoning("look it up") + tool_calls([("weather", OSLO), ("population", OSLO)]),
        structured(Answer(city="Oslo", degrees=14)),
        text("a guarded answer", delay=0.2),
        text("a streamed answer of several words"),
        tool_calls([("weather", {"city": "Rome"})]),
        text("Rome has 14 degrees"),
    ]
    with openai_stub(script) as stub:
        client = stub.client()
        model = agents.OpenAIResponsesModel("gpt-4.1", client)
        expert = agents.Agent(
            name="Expert", model=model, tools=[weather, population], output_type=Answer
        )
        triage = agents.Agent(
            name="Triage", model=model, handoffs=[expert], input_guardrails=[polite]
        )
        with agents.trace("Peer workflow", group_id="peer-group", metadata={"user": "u_1"}):
            await agents.Runner.run(triage, "How warm is Oslo?")
        with contextlib.suppress(agents.InputGuardrailTripwireTriggered):
            await agents.Runner.run(triage, "HOW WARM IS OSLO?")
        plain = agents.Agent(name="Plain", model=model)
        streamed = agents.Runner.run_streamed(plain, "Tell me.")
        async for _ in streamed.stream_events():
            pass
        chat = agents.Agent(
            name="Chat", tools=[weather], model=agents.OpenAIChatCompletionsModel("gpt-4.1", client)
        )
        await agents.Runner.run(chat, "How warm is Rome?")
        await client.close()


agents.add_trace_processor(exporters.duckdb.recorder())
agents.add_trace_processor(Witness())
asyncio.run(main())
json.dump(spans, sys.stdout)
