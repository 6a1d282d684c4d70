"""Tools: what a model may call. `function_tool` makes one of any function."""

from runtime.tool.calling import (
    FailureHandling,
    ToolOutcome,
    call_tool,
    default_tool_error_function,
    default_tool_timeout_function,
)
from runtime.tool.decorator import ToolFunction, function_tool
from runtime.tool.definition import (
    FunctionTool,
    FunctionToolResult,
    Tool,
    ToolErrorFunction,
    ToolTimeoutBehavior,
)
from runtime.tool_output import ToolOutputFileContent, ToolOutputImage, ToolOutputText

__all__ = [
    "FailureHandling",
    "FunctionTool",
    "FunctionToolResult",
    "Tool",
    "ToolErrorFunction",
    "ToolFunction",
    "ToolOutcome",
    "ToolOutputFileContent",
    "ToolOutputImage",
    "ToolOutputText",
    "ToolTimeoutBehavior",
    "call_tool",
    "default_tool_error_function",
    "default_tool_timeout_function",
    "function_tool",
]
