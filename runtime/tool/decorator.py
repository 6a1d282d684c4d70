"""Makes a tool of a function."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeAlias, overload

from runtime.tool.calling import FailureHandling, FunctionCalling, default_tool_error_function
from runtime.tool.definition import FunctionTool, IsEnabled, ToolErrorFunction, ToolTimeoutBehavior
from runtime.tool.docstring import DocstringStyle
from runtime.tool.schema import function_schema

ToolFunction: TypeAlias = Callable[..., Any]


@overload
def function_tool(func: ToolFunction) -> FunctionTool: ...


@overload
def function_tool(
    *,
    name_override: str | None = None,
    description_override: str | None = None,
    docstring_style: DocstringStyle | None = None,
    use_docstring_info: bool = True,
    failure_error_function: ToolErrorFunction | None = default_tool_error_function,
    strict_mode: bool = True,
    is_enabled: IsEnabled = True,
    timeout: float | None = None,
    timeout_behavior: ToolTimeoutBehavior = "error_as_result",
    timeout_error_function: ToolErrorFunction | None = None,
) -> Callable[[ToolFunction], FunctionTool]: ...


def function_tool(  # noqa: PLR0913
    func: ToolFunction | None = None,
    *,
    name_override: str | None = None,
    description_override: str | None = None,
    docstring_style: DocstringStyle | None = None,
    use_docstring_info: bool = True,
    failure_error_function: ToolErrorFunction | None = default_tool_error_function,
    strict_mode: bool = True,
    is_enabled: IsEnabled = True,
    timeout: float | None = None,
    timeout_behavior: ToolTimeoutBehavior = "error_as_result",
    timeout_error_function: ToolErrorFunction | None = None,
) -> FunctionTool | Callable[[ToolFunction], FunctionTool]:
    """Make a tool of a function, sync or async; usable as a decorator with and without arguments.

    The schema comes from the signature, the descriptions from the docstring. A first parameter of
    type `RunContextWrapper` or `ToolContext` is given the run's context.

    Args:
        func: The function.
        name_override: The name of the tool, if not that of the function.
        description_override: The description, if not that of the docstring.
        docstring_style: The style of the docstring; found out if not given.
        use_docstring_info: Whether the docstring describes the tool and its parameters.
        failure_error_function: What the model is told when the tool fails or its arguments are
            wrong; `None` ends the run with the error.
        strict_mode: Whether the schema is made strict, which binds the model to it.
        is_enabled: Whether the model sees the tool; a function is asked anew every turn.
        timeout: How many seconds a call may take.
        timeout_behavior: Whether a late call is told to the model or ends the run.
        timeout_error_function: What the model is told of a late call.

    Raises:
        UserError: If a parameter has a type that no schema can describe.
    """

    def make(function: ToolFunction) -> FunctionTool:
        schema = function_schema(
            function,
            docstring_style,
            name_override,
            description_override,
            use_docstring_info,
            strict_mode,
        )
        invoke = FailureHandling(FunctionCalling(function, schema), failure_error_function)
        return FunctionTool(
            name=schema.name,
            description=schema.description or "",
            params_json_schema=schema.params_json_schema,
            on_invoke_tool=invoke,
            strict_json_schema=strict_mode,
            is_enabled=is_enabled,
            timeout_seconds=timeout,
            timeout_behavior=timeout_behavior,
            timeout_error_function=timeout_error_function,
        )

    return make if func is None else make(func)
