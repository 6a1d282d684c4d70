"""What to tell agents that hand off to each other."""

from __future__ import annotations

RECOMMENDED_PROMPT_PREFIX = (
    "# How you work with others\n"
    "You are one of several agents that share this conversation. Each agent has its own "
    "instructions and tools. When a request belongs to another agent, give the conversation to "
    "that agent: call the function for it, usually named `transfer_to_<agent_name>`. The user "
    "does not notice such a transfer, so do not announce or mention it.\n"
)
"""Put it before the instructions of every agent that has handoffs."""


def prompt_with_handoff_instructions(prompt: str) -> str:
    """Return `prompt` after the recommended explanation of handoffs."""
    return f"{RECOMMENDED_PROMPT_PREFIX}\n\n{prompt}"
