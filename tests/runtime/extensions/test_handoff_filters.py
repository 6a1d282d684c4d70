"""Ready-made handoff filters."""

from runtime import HandoffInputData
from runtime.extensions.handoff_filters import remove_all_tools


def test_remove_all_tools():
    """Of the history only messages stay; a text stays as it is."""
    user = {"role": "user", "content": "x"}
    reply = {"type": "message", "role": "assistant", "content": []}
    history = (user, {"type": "reasoning"}, {"type": "function_call"}, reply)
    data = HandoffInputData(input_history=history, pre_handoff_items=(), new_items=())

    assert remove_all_tools(data).input_history == (user, reply)
    assert remove_all_tools(data.clone(input_history="x")).input_history == "x"
