"""What a run is given, checked before anything happens.

Whoever passes the wrong thing learns it here, at their own call, and not from a line deep inside
the runtime. Each check is made once a run.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, TypedDict

from pydantic import BaseModel

from runtime.exceptions import UserError, shown
from runtime.guardrail import InputGuardrail, OutputGuardrail
from runtime.handoffs import is_agent
from runtime.lifecycle import RunHooksBase
from runtime.memory.session import Session
from runtime.run_config import RunConfig


class RunOptions(TypedDict, total=False):
    """What every verb takes beside agent, input and context."""

    max_turns: int
    """How often the model may be called."""

    hooks: RunHooksBase[Any, Any] | None
    run_config: RunConfig | None
    previous_response_id: str | None
    """Continues a response that the provider keeps; only new items are sent."""

    auto_previous_response_id: bool
    """Lets each model call of the run continue the one before it, from the first on."""

    conversation_id: str | None
    """Continues a conversation that the provider keeps; only new items are sent."""

    session: Session | None
    """Gives the history and keeps what the run adds to it."""


def check_agent(agent: object) -> None:
    """Refuse what is no agent.

    Raises:
        UserError: If it is none.
    """
    if not is_agent(agent):
        raise UserError(
            f"The runner got {_kind(agent)} as agent. It runs agents only; pass an Agent first "
            "and its input second."
        )


def check_input(given: object) -> None:
    """Refuse what is no input of a run; of the input only types are named, never its content.

    Raises:
        UserError: If it is neither text nor a list of items.
    """
    if isinstance(given, str):
        return
    if not isinstance(given, list | tuple):
        wrapped = "; put the item into a list" if isinstance(given, Mapping) else ""
        raise UserError(
            f"The runner got {_kind(given)} as input. A run begins with text or with a list of "
            f"items{wrapped or '; pass one of these'}."
        )
    for place, item in enumerate(given):
        if not isinstance(item, dict | BaseModel | Mapping):
            raise UserError(
                f"The runner got an input whose item {place} is {_kind(item)}. Items are dicts "
                "such as {'role': 'user', 'content': '...'}; pass these, or what "
                "result.to_input_list() returns."
            )


def check_options(options: RunOptions) -> None:
    """Refuse options of the wrong type.

    Raises:
        UserError: For the first one that is wrong.
    """
    _check_turns(options)
    _check_hooks(options.get("hooks"))
    _check_config(options.get("run_config"))
    _check_session(options.get("session"))
    for name in ("previous_response_id", "conversation_id"):
        value: object = options.get(name)
        if value is not None and not isinstance(value, str):
            raise UserError(
                f"The runner got {_kind(value)} as {name}. It is the id, a string, that the "
                f"provider gave; pass {name}='...', or leave it out."
            )


def check_guardrails(owner: str, inputs: Iterable[object], outputs: Iterable[object]) -> None:
    """Refuse guardrails of the wrong kind, of an agent or of a run.

    Args:
        owner: What they were given to, as the message calls it.
        inputs: Its `input_guardrails`.
        outputs: Its `output_guardrails`.

    Raises:
        UserError: For the first one that is wrong.
    """
    for kind, name, given in (
        (InputGuardrail, "input_guardrail", inputs),
        (OutputGuardrail, "output_guardrail", outputs),
    ):
        for guardrail in given:
            if not isinstance(guardrail, kind):
                raise UserError(
                    f"{owner} got {shown(guardrail)} as an entry of {name}s. It must be an "
                    f"{kind.__name__}; decorate the function with @{name}."
                )


def _check_turns(options: RunOptions) -> None:
    turns: object = options.get("max_turns", 1)
    if not isinstance(turns, int) or isinstance(turns, bool):
        raise UserError(
            f"The runner got max_turns={turns!r} ({type(turns).__name__}). It says how often the "
            "model may be called and must be a whole number; pass one, as in max_turns=10."
        )


def _check_hooks(hooks: object) -> None:
    if hooks is not None and not isinstance(hooks, RunHooksBase):
        raise UserError(
            f"The runner got {_kind(hooks)} as hooks. A run takes an instance of a subclass of "
            "RunHooks; pass one, or give AgentHooks to the agent, as Agent(hooks=...)."
        )


def _check_config(config: object) -> None:
    if config is None:
        return
    if not isinstance(config, RunConfig):
        raise UserError(
            f"The runner got {_kind(config)} as run_config. It must be a RunConfig; pass "
            "run_config=RunConfig(...)."
        )
    check_guardrails("RunConfig", config.input_guardrails or (), config.output_guardrails or ())


def _check_session(session: object) -> None:
    if session is None:
        return
    # Only what a run calls: the whole protocol is slow to ask for.
    complete = hasattr(session, "get_items") and hasattr(session, "add_items")
    if isinstance(session, type) or not complete:
        raise UserError(
            f"The runner got {_kind(session)} as session. A session is an object with the methods "
            "of runtime.Session; pass one, as in session=SQLiteSession('an id')."
        )


def _kind(value: object) -> str:
    if isinstance(value, type):
        return f"the class {value.__name__!r}"
    return "None" if value is None else f"a {type(value).__name__!r}"
