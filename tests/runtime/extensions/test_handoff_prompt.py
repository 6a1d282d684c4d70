"""What to tell agents that hand off."""

from runtime.extensions.handoff_prompt import (
    RECOMMENDED_PROMPT_PREFIX,
    prompt_with_handoff_instructions,
)


def test_prompt():
    """The explanation comes first, then the agent's own instructions."""
    assert prompt_with_handoff_instructions("Be kind.") == (
        f"{RECOMMENDED_PROMPT_PREFIX}\n\nBe kind."
    )
    assert "transfer_to_" in RECOMMENDED_PROMPT_PREFIX
