"""What you need to test your agents offline.

`ScriptedModel` is a model that answers from a script. `openai_stub` is a server on loopback that
speaks OpenAI's APIs, so that the real client runs too. Both take the same replies.
"""

from runtime.testing.replies import (
    Answer,
    Reply,
    TokenCounts,
    disconnect,
    error,
    error_event,
    failed,
    garbage,
    handoff_to,
    hang,
    raises,
    reasoning,
    refusal,
    structured,
    text,
    tool_call,
    tool_calls,
)
from runtime.testing.script import ScriptExhaustedError
from runtime.testing.scripted_model import ModelCall, ScriptedModel
from runtime.testing.stub import OpenAIStub, StubRequest, openai_stub

__all__ = [
    "Answer",
    "ModelCall",
    "OpenAIStub",
    "Reply",
    "ScriptExhaustedError",
    "ScriptedModel",
    "StubRequest",
    "TokenCounts",
    "disconnect",
    "error",
    "error_event",
    "failed",
    "garbage",
    "handoff_to",
    "hang",
    "openai_stub",
    "raises",
    "reasoning",
    "refusal",
    "structured",
    "text",
    "tool_call",
    "tool_calls",
]
