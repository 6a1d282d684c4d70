"""Prompts that are kept on OpenAI's platform and named by id."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NotRequired, TypeAlias

from openai.types.responses.response_prompt_param import ResponsePromptParam, Variables
from typing_extensions import TypedDict

from runtime.awaitable import MaybeAwaitable, settle
from runtime.exceptions import UserError
from runtime.run_context import RunContextWrapper

if TYPE_CHECKING:
    from runtime.agent import Agent


class Prompt(TypedDict):
    """Names a prompt on OpenAI's platform, and fills its variables."""

    id: str
    version: NotRequired[str]
    variables: NotRequired[dict[str, Variables]]


@dataclass
class GenerateDynamicPromptData:
    """What a function that chooses a prompt may look at."""

    context: RunContextWrapper[Any]
    agent: Agent[Any]


DynamicPromptFunction: TypeAlias = Callable[[GenerateDynamicPromptData], MaybeAwaitable[Prompt]]


async def resolve_prompt(
    prompt: Prompt | DynamicPromptFunction | None,
    context: RunContextWrapper[Any],
    agent: Agent[Any],
) -> ResponsePromptParam | None:
    """Return the prompt in the form the Responses API takes, asking its function if it has one.

    Raises:
        UserError: If the function returns something else than a prompt.
    """
    if prompt is None:
        return None
    if callable(prompt):
        prompt = await settle(prompt(GenerateDynamicPromptData(context=context, agent=agent)))
    if not isinstance(prompt, dict) or "id" not in prompt:
        raise UserError(
            f"The prompt of agent {agent.name!r} is a {type(prompt).__name__!r}. A prompt is a "
            "dict with at least 'id'; return one, such as {'id': 'pmpt_…'}."
        )
    return {
        "id": prompt["id"],
        "version": prompt.get("version"),
        "variables": prompt.get("variables"),
    }
