"""Reads the descriptions in a docstring: of the function, and of each parameter."""

from __future__ import annotations

import functools
import inspect
import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Literal, TypeAlias

from griffe import Docstring, DocstringSectionKind

DocstringStyle: TypeAlias = Literal["google", "numpy", "sphinx"]

_SPHINX = re.compile(r"^:(param|type|returns?|rtype|raises?)\b[^:\n]*:", re.MULTILINE)
_NUMPY = re.compile(r"^(Parameters|Returns|Yields|Raises)[ \t]*\n-{3,}", re.MULTILINE)
_GOOGLE_ARGUMENTS = re.compile(r"(?<=[^\n])\n(?=(Args|Arguments|Params|Parameters):[ \t]*\n[ \t])")


@dataclass
class FuncDocumentation:
    """What a docstring says of a function."""

    name: str
    description: str | None
    param_descriptions: dict[str, str] | None


def generate_func_documentation(
    func: Callable[..., Any], style: DocstringStyle | None = None
) -> FuncDocumentation:
    """Read the docstring of `func`, in the given style or in the one it looks like."""
    if isinstance(func, functools.partial):
        func = func.func
    name = getattr(func, "__name__", type(func).__name__)
    content = inspect.getdoc(func)
    if not content:
        return FuncDocumentation(name, None, None)
    style = style or _style_of(content)
    if style == "google":
        # The parser takes a section without a blank line before it for text.
        content = _GOOGLE_ARGUMENTS.sub("\n\n", content)
    # The line break keeps the first line in the parser's own measure of the indentation.
    sections = Docstring("\n" + content, parser=style).parse(warnings=False)
    texts = [part.value for part in sections if part.kind is DocstringSectionKind.text]
    described = {
        parameter.name.lstrip("*"): parameter.description
        for section in sections
        if section.kind is DocstringSectionKind.parameters
        for parameter in section.value
        if parameter.description
    }
    return FuncDocumentation(name, texts[0] if texts else None, described or None)


def _style_of(content: str) -> DocstringStyle:
    if _SPHINX.search(content):
        return "sphinx"
    return "numpy" if _NUMPY.search(content) else "google"
