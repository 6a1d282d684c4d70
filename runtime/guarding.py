"""Runs the guardrails of a run, and stops the run where one trips."""

from __future__ import annotations

from collections.abc import Coroutine
from typing import Any, TypeVar

from runtime import instrument
from runtime.exceptions import (
    InputGuardrailTripwireTriggered,
    OutputGuardrailTripwireTriggered,
    UserError,
)
from runtime.guardrail import GuardrailFunctionOutput, InputGuardrail, OutputGuardrail
from runtime.state import State
from runtime.together import together

T = TypeVar("T")


async def guard_input(state: State, work: Coroutine[Any, Any, T]) -> T:
    """Return the result of `work` once every input guardrail agrees.

    Blocking guardrails come first; the others run beside `work`, which is cancelled when one of
    them trips. In either case all of them come before anything that has effects.

    Raises:
        InputGuardrailTripwireTriggered: If one trips.
    """
    try:
        guardrails = [*state.agent.input_guardrails, *(state.config.input_guardrails or ())]
        await _check_input(state, [g for g in guardrails if not g.run_in_parallel])
    except BaseException:
        work.close()
        raise
    beside = [g for g in guardrails if g.run_in_parallel]
    if not beside:
        return await work
    both: list[Coroutine[Any, Any, Any]] = [work, _check_input(state, beside)]
    result: T = (await together(both))[0]
    return result


async def guard_output(state: State, output: Any) -> None:
    """Let every output guardrail check the final output.

    Raises:
        OutputGuardrailTripwireTriggered: If one trips.
    """
    guardrails = [*state.agent.output_guardrails, *(state.config.output_guardrails or ())]
    await together(_output_check(state, guardrail, output) for guardrail in guardrails)


async def _check_input(state: State, guardrails: list[InputGuardrail[Any]]) -> None:
    await together(_input_check(state, guardrail) for guardrail in guardrails)


async def _input_check(state: State, guardrail: InputGuardrail[Any]) -> None:
    with instrument.guardrail(state.recording, guardrail.get_name()) as record:
        _refuse_uncallable(guardrail)
        result = await guardrail.run(state.agent, state.input, state.context)
        _refuse_other(result.output, guardrail.get_name())
        record.found(result.output)
    state.input_guardrail_results.append(result)
    if result.output.tripwire_triggered:
        raise InputGuardrailTripwireTriggered(result)


async def _output_check(state: State, guardrail: OutputGuardrail[Any], output: Any) -> None:
    with instrument.guardrail(state.recording, guardrail.get_name()) as record:
        _refuse_uncallable(guardrail)
        result = await guardrail.run(state.context, state.agent, output)
        _refuse_other(result.output, guardrail.get_name())
        record.found(result.output)
    state.output_guardrail_results.append(result)
    if result.output.tripwire_triggered:
        raise OutputGuardrailTripwireTriggered(result)


def _refuse_other(output: Any, name: str) -> None:
    if not isinstance(output, GuardrailFunctionOutput):
        raise UserError(
            f"Guardrail {name!r} returned a {type(output).__name__!r}. A guardrail must return a "
            "GuardrailFunctionOutput, which says whether it trips; return one."
        )


def _refuse_uncallable(guardrail: InputGuardrail[Any] | OutputGuardrail[Any]) -> None:
    if not callable(guardrail.guardrail_function):
        raise UserError(
            f"The guardrail function is {guardrail.guardrail_function!r}, which cannot be called. "
            f"{type(guardrail).__name__} needs a function that returns a GuardrailFunctionOutput; "
            "pass one as guardrail_function=."
        )
