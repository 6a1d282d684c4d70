"""What the loop costs a turn: flightlog beside openai-agents, in one run.

The same program runs in both packages: an agent whose model answers at once, with one tool call a
turn. Prints one JSON line a measure, microseconds a turn (median over rounds), and the ratio
flightlog / openai-agents: below 1 flightlog is faster. `recorded` is with everything flightlog
does by default (the local store, whole payloads) against the peer's batch processor with an
exporter that drops.

    python benchmarks/loop_overhead.py [--rounds 5] [--turns 50]
"""

from __future__ import annotations

import argparse
import asyncio
import importlib
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from typing import Any

MEASURES = ("untraced", "recorded", "untraced, streamed", "recorded, streamed")
PEER, OURS = "agents", "runtime"


def main() -> None:
    """Run both packages by turns, each in a process of its own, and print the ratios."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--turns", type=int, default=50)
    parser.add_argument("--fly", choices=[PEER, OURS], help=argparse.SUPPRESS)
    parser.add_argument("--measure", choices=MEASURES, help=argparse.SUPPRESS)
    args = parser.parse_args()
    if args.fly:
        print(asyncio.run(measure(args.fly, args.measure, args.turns)))
        return
    for name in MEASURES:
        seen: dict[str, list[float]] = {PEER: [], OURS: []}
        for _ in range(args.rounds):
            for package in (PEER, OURS):
                seen[package].append(in_process(package, name, args.turns))
        ours, peer = (statistics.median(seen[package]) for package in (OURS, PEER))
        line = {
            "benchmark": "loop_overhead",
            "measure": name,
            "flightlog_us_per_turn": round(ours, 1),
            "openai_agents_us_per_turn": round(peer, 1),
            "ratio": round(ours / peer, 3),
        }
        print(json.dumps(line), flush=True)


def in_process(package: str, name: str, turns: int) -> float:
    """One measurement in a fresh process, with a store of its own."""
    command = [sys.executable, __file__, "--fly", package, "--measure", name, "--turns", str(turns)]
    with tempfile.TemporaryDirectory() as home:
        environ = {**os.environ, "FLIGHTLOG_HOME": home, "OPENAI_API_KEY": ""}
        done = subprocess.run(command, capture_output=True, text=True, check=True, env=environ)
    return float(done.stdout)


async def measure(package: str, name: str, turns: int) -> float:
    """Microseconds a turn of one package: the best of several runs of one agent."""
    sdk = importlib.import_module(package)
    recorded = name.startswith("recorded")
    if package == PEER:
        sdk.set_trace_processors([dropping_processor()] if recorded else [])
    config = sdk.RunConfig(tracing_disabled=not recorded)
    agent = sdk.Agent(name="Bench", tools=[sdk.function_tool(add)], model=model_of(sdk, turns))
    best = float("inf")
    for _ in range(6):
        started = time.perf_counter()
        if "streamed" in name:
            streamed = sdk.Runner.run_streamed(agent, "go", max_turns=turns + 2, run_config=config)
            async for _event in streamed.stream_events():
                pass
        else:
            await sdk.Runner.run(agent, "go", max_turns=turns + 2, run_config=config)
        best = min(best, (time.perf_counter() - started) / (turns + 1) * 1e6)
    return best


async def add(a: int, b: int) -> int:
    """Add two numbers."""
    return a + b


def model_of(sdk: Any, turns: int) -> Any:
    """A model of that package that answers at once: `turns` tool calls, then text."""
    from openai.types.responses import (  # noqa: PLC0415 (the measured process alone needs them)
        Response,
        ResponseCompletedEvent,
        ResponseFunctionToolCall,
        ResponseOutputMessage,
        ResponseOutputText,
    )

    class Instant(sdk.Model):  # type: ignore[misc]  # the base is known at run time only
        """Counts its calls, and answers by the count."""

        asked = 0

        def answer(self) -> list[Any]:
            """The next output items."""
            self.asked += 1
            if self.asked % (turns + 1):
                arguments = '{"a": 1, "b": 2}'
                return [
                    ResponseFunctionToolCall(
                        type="function_call",
                        name="add",
                        arguments=arguments,
                        call_id=f"call_{self.asked}",
                    )
                ]
            said = ResponseOutputText(type="output_text", text="done", annotations=[])
            return [
                ResponseOutputMessage(
                    id="m", type="message", role="assistant", status="completed", content=[said]
                )
            ]

        async def get_response(self, *_: Any, **__: Any) -> Any:
            return sdk.ModelResponse(output=self.answer(), usage=sdk.Usage(), response_id=None)

        async def stream_response(self, *_: Any, **__: Any) -> Any:
            response = Response(
                id="r",
                created_at=0,
                model="instant",
                object="response",
                output=self.answer(),
                tool_choice="auto",
                tools=[],
                parallel_tool_calls=False,
            )
            yield ResponseCompletedEvent(
                type="response.completed", response=response, sequence_number=0
            )

    return Instant()


def dropping_processor() -> Any:
    """The peer's own batch processor, in front of an exporter that drops."""
    from agents.tracing.processor_interface import TracingExporter  # noqa: PLC0415
    from agents.tracing.processors import BatchTraceProcessor  # noqa: PLC0415

    class Drop(TracingExporter):
        def export(self, items: Any) -> None:
            for item in items:
                item.export()

    return BatchTraceProcessor(Drop())


if __name__ == "__main__":
    main()
