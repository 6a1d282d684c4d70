"""Everything the runner raises on its own account.

    AgentsException
    ├── UserError                          the program used the runtime wrongly
    ├── ModelBehaviorError                 the model answered something it must not
    ├── MaxTurnsExceeded                   no final output within the allowed turns
    ├── ToolTimeoutError                   a tool with `timeout_behavior="raise_exception"` was late
    ├── InputGuardrailTripwireTriggered    an input guardrail refused what was asked
    └── OutputGuardrailTripwireTriggered   an output guardrail refused what was answered

What a hook or model raises comes out as it is. Either way the exception carries `run_data` (what
the run had produced) and `trace_id` (where its record is), unless its class forbids attributes.
"""

from __future__ import annotations

import inspect
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from runtime.agent import Agent
    from runtime.guardrail import InputGuardrailResult, OutputGuardrailResult
    from runtime.items import ModelResponse, RunItem, TResponseInputItem
    from runtime.run_context import RunContextWrapper


@dataclass
class RunErrorDetails:
    """What a run had seen and produced when it failed."""

    input: str | list[TResponseInputItem]
    new_items: list[RunItem]
    raw_responses: list[ModelResponse]
    last_agent: Agent[Any]
    context_wrapper: RunContextWrapper[Any]
    input_guardrail_results: list[InputGuardrailResult]
    output_guardrail_results: list[OutputGuardrailResult]

    def __str__(self) -> str:
        return (
            f"RunErrorDetails(last_agent={self.last_agent.name!r}, "
            f"new_items={len(self.new_items)}, raw_responses={len(self.raw_responses)}, "
            f"total_tokens={self.context_wrapper.usage.total_tokens})"
        )


class AgentsException(Exception):
    """Whatever the runner raises on its own account."""

    run_data: RunErrorDetails | None
    """What the run had produced; None if no run was going."""

    trace_id: str | None
    """The trace that recorded the run; None if none did."""

    def __init__(self, *args: object) -> None:
        super().__init__(*args)
        self.run_data = None
        self.trace_id = None


class UserError(AgentsException):
    """The program used the runtime wrongly; the message says what to change."""

    def __init__(self, message: str) -> None:
        self.message = message
        super().__init__(message)


class ModelBehaviorError(AgentsException):
    """The model answered what it must not: no output, an unknown tool, invalid JSON."""

    def __init__(self, message: str) -> None:
        self.message = message
        super().__init__(message)


class MaxTurnsExceeded(AgentsException):
    """The run used up `max_turns` without a final output."""

    def __init__(self, message: str) -> None:
        self.message = message
        super().__init__(message)


class ToolTimeoutError(AgentsException):
    """A tool took longer than its `timeout` and asked to raise."""

    def __init__(self, tool_name: str, timeout: float) -> None:
        self.tool_name = tool_name
        self.timeout = timeout
        super().__init__(
            f"Tool {tool_name!r} did not finish within {timeout:g} seconds. The run stops because "
            "the tool asked for timeout_behavior='raise_exception'. Raise its timeout, or use "
            "timeout_behavior='error_as_result' to let the model go on."
        )


class InputGuardrailTripwireTriggered(AgentsException):
    """An input guardrail refused what was asked; `guardrail_result` says which and why."""

    guardrail_result: InputGuardrailResult

    def __init__(self, guardrail_result: InputGuardrailResult) -> None:
        self.guardrail_result = guardrail_result
        super().__init__(
            f"Input guardrail {guardrail_result.guardrail.get_name()!r} triggered its tripwire, "
            "which ends the run. guardrail_result.output.output_info says why."
        )


class OutputGuardrailTripwireTriggered(AgentsException):
    """An output guardrail refused what was answered; `guardrail_result` says which and why."""

    guardrail_result: OutputGuardrailResult

    def __init__(self, guardrail_result: OutputGuardrailResult) -> None:
        self.guardrail_result = guardrail_result
        super().__init__(
            f"Output guardrail {guardrail_result.guardrail.get_name()!r} triggered its tripwire, "
            "which ends the run. guardrail_result.output.output_info says why."
        )


def shown(value: object) -> str:
    """Return how a message names a value that is wrong.

    Plain values and code are written out. Of all else only the type is told, because prompts or
    keys may be inside.
    """
    kind = type(value).__name__
    if isinstance(value, type):
        return f"the class {value.__name__!r}"
    if value is None:
        return "None"
    if isinstance(value, str | int | float) or inspect.isroutine(value):
        return f"{value!r} ({kind})"
    return f"a {kind!r}"
