import asyncio

import pytest
from pydantic import BaseModel

from runtime.exceptions import UserError
from runtime.tool import FunctionTool, function_tool
from runtime.tool_context import ToolContext


def test_bare():
    """The bare decorator takes name, description and schema from the function."""

    @function_tool
    def look_up(word: str) -> str:
        """Look a word up."""
        return word

    assert isinstance(look_up, FunctionTool)
    assert (look_up.name, look_up.description) == ("look_up", "Look a word up.")
    assert look_up.params_json_schema["required"] == ["word"]
    assert look_up.strict_json_schema is True
    assert look_up.is_enabled is True


def test_overrides():
    """Everything a function says of itself can be overridden."""

    @function_tool(
        name_override="find",
        description_override="Find it.",
        strict_mode=False,
        is_enabled=False,
        timeout=2,
    )
    def look_up(word: str = "a") -> str:
        """Look a word up."""
        return word

    assert (look_up.name, look_up.description) == ("find", "Find it.")
    assert "required" not in look_up.params_json_schema
    assert look_up.is_enabled is False
    assert look_up.timeout_seconds == 2


def test_as_a_function():
    """It can be called instead of used as a decorator."""
    assert function_tool(len_of).name == "len_of"
    assert function_tool(name_override="length")(len_of).name == "length"


def len_of(text: str) -> int:
    """Tell how long a text is."""
    return len(text)


def test_invoked_directly():
    """`on_invoke_tool` alone handles errors too, as it is documented to."""
    tool = function_tool(len_of)
    context = ToolContext(None, tool_name="len_of", tool_call_id="1", tool_arguments="")

    assert asyncio.run(tool.on_invoke_tool(context, '{"text": "abc"}')) == 3
    assert "error occurred" in asyncio.run(tool.on_invoke_tool(context, "{"))


def test_schema_is_copied():
    """Making a schema strict changes the tool's copy, not the user's model."""

    class Arguments(BaseModel):
        name: str = "x"

    async def invoke(_context, _arguments):
        raise NotImplementedError

    schema = Arguments.model_json_schema()
    tool = FunctionTool("t", "", schema, invoke)

    assert tool.params_json_schema["additionalProperties"] is False
    assert "additionalProperties" not in schema


@pytest.mark.parametrize("timeout", [0, -1, True, "3"])
def test_bad_timeout(timeout):
    """A time-out is a number of seconds above zero."""
    with pytest.raises(UserError, match="number of seconds"):
        function_tool(timeout=timeout)(len_of)


def test_bad_timeout_behavior():
    """Unknown behaviour is refused with the known ones."""
    with pytest.raises(UserError, match="'error_as_result', 'raise_exception'"):
        function_tool(timeout_behavior="ignore")(len_of)
