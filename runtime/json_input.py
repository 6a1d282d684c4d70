"""JSON that a model wrote, turned into what the program expects."""

from __future__ import annotations

from typing import TypeVar

from pydantic import TypeAdapter, ValidationError

from runtime.exceptions import ModelBehaviorError

T = TypeVar("T")


def parse_json(text: str, adapter: TypeAdapter[T], *, what: str) -> T:
    """Return `text` as the type of `adapter`.

    Args:
        text: What the model wrote.
        adapter: The type it must have.
        what: Names the JSON in the error, as in "arguments of tool 'search'".

    Raises:
        ModelBehaviorError: If it is no JSON or does not fit. The message tells where, never what:
            the text may hold what must not be logged.
    """
    try:
        return adapter.validate_json(text)
    except ValidationError as error:
        faults = error.errors(include_url=False, include_input=False, include_context=False)
        listed = "; ".join(
            f"{'.'.join(map(str, fault['loc'])) or 'at the top'}: {fault['msg']}"
            for fault in faults[:5]
        )
        # The cause would carry the text itself into tracebacks and logs.
        raise ModelBehaviorError(
            f"The {what} are not valid: {listed}. The model must send JSON that fits the schema it "
            "was given. Run again, simplify the type, or use a model with structured outputs."
        ) from None
