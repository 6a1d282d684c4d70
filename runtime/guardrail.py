"""Guardrails: checks on what is asked and on what is answered, able to stop a run."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Generic, TypeAlias, overload

from runtime.awaitable import MaybeAwaitable, settle
from runtime.items import TResponseInputItem
from runtime.run_context import RunContextWrapper, TContext

if TYPE_CHECKING:
    from runtime.agent import Agent


@dataclass
class GuardrailFunctionOutput:
    """The verdict of a guardrail."""

    output_info: Any
    """Whatever the guardrail wants to tell about its check."""

    tripwire_triggered: bool
    """True ends the run."""


@dataclass
class InputGuardrailResult:
    """What an input guardrail found."""

    guardrail: InputGuardrail[Any]
    output: GuardrailFunctionOutput


@dataclass
class OutputGuardrailResult:
    """What an output guardrail found."""

    guardrail: OutputGuardrail[Any]
    agent_output: Any
    agent: Agent[Any]
    output: GuardrailFunctionOutput


@dataclass
class InputGuardrail(Generic[TContext]):
    """A check on the input of a run, made for its first agent only.

    It runs beside the first model call and cancels it when it trips, or, with
    `run_in_parallel=False`, before it, so that nothing is spent on a refused input.
    """

    guardrail_function: Callable[
        [RunContextWrapper[TContext], Agent[Any], str | list[TResponseInputItem]],
        MaybeAwaitable[GuardrailFunctionOutput],
    ]
    name: str | None = None
    run_in_parallel: bool = True

    def get_name(self) -> str:
        """Return the name, by default that of the function."""
        return self.name or _function_name(self.guardrail_function)

    async def run(
        self,
        agent: Agent[Any],
        input: str | list[TResponseInputItem],
        context: RunContextWrapper[TContext],
    ) -> InputGuardrailResult:
        """Check `input` and return what was found."""
        output = await settle(self.guardrail_function(context, agent, input))
        return InputGuardrailResult(guardrail=self, output=output)


@dataclass
class OutputGuardrail(Generic[TContext]):
    """A check on the final output of a run, made for its last agent only."""

    guardrail_function: Callable[
        [RunContextWrapper[TContext], Agent[Any], Any], MaybeAwaitable[GuardrailFunctionOutput]
    ]
    name: str | None = None

    def get_name(self) -> str:
        """Return the name, by default that of the function."""
        return self.name or _function_name(self.guardrail_function)

    async def run(
        self, context: RunContextWrapper[TContext], agent: Agent[Any], agent_output: Any
    ) -> OutputGuardrailResult:
        """Check `agent_output` and return what was found."""
        output = await settle(self.guardrail_function(context, agent, agent_output))
        return OutputGuardrailResult(
            guardrail=self, agent_output=agent_output, agent=agent, output=output
        )


_InputFunction: TypeAlias = Callable[
    [RunContextWrapper[TContext], "Agent[Any]", str | list[TResponseInputItem]],
    MaybeAwaitable[GuardrailFunctionOutput],
]
_OutputFunction: TypeAlias = Callable[
    [RunContextWrapper[TContext], "Agent[Any]", Any], MaybeAwaitable[GuardrailFunctionOutput]
]


@overload
def input_guardrail(func: _InputFunction[TContext]) -> InputGuardrail[TContext]: ...


@overload
def input_guardrail(
    *, name: str | None = None, run_in_parallel: bool = True
) -> Callable[[_InputFunction[TContext]], InputGuardrail[TContext]]: ...


def input_guardrail(
    func: _InputFunction[TContext] | None = None,
    *,
    name: str | None = None,
    run_in_parallel: bool = True,
) -> InputGuardrail[TContext] | Callable[[_InputFunction[TContext]], InputGuardrail[TContext]]:
    """Turn a function, plain or async, into an input guardrail.

    Works bare (`@input_guardrail`) and with options (`@input_guardrail(name="homework")`).
    """

    def make(function: _InputFunction[TContext]) -> InputGuardrail[TContext]:
        return InputGuardrail(
            guardrail_function=function,
            name=name or _function_name(function),
            run_in_parallel=run_in_parallel,
        )

    return make(func) if func is not None else make


@overload
def output_guardrail(func: _OutputFunction[TContext]) -> OutputGuardrail[TContext]: ...


@overload
def output_guardrail(
    *, name: str | None = None
) -> Callable[[_OutputFunction[TContext]], OutputGuardrail[TContext]]: ...


def output_guardrail(
    func: _OutputFunction[TContext] | None = None, *, name: str | None = None
) -> OutputGuardrail[TContext] | Callable[[_OutputFunction[TContext]], OutputGuardrail[TContext]]:
    """Turn a function, plain or async, into an output guardrail."""

    def make(function: _OutputFunction[TContext]) -> OutputGuardrail[TContext]:
        return OutputGuardrail(guardrail_function=function, name=name or _function_name(function))

    return make(func) if func is not None else make


def _function_name(function: Any) -> str:
    return str(getattr(function, "__name__", type(function).__name__))
