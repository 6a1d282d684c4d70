"""What goes wrong while tracing is being configured.

    ConfigError
    └── MissingExtra

Nothing here is raised into a traced program: once tracing runs, faults are logged and counted.
"""

from __future__ import annotations


class ConfigError(Exception):
    """A setting that cannot be followed; the text says which, why, and what to do.

    Attributes:
        variable: The environment variable at fault, where it is one.
    """

    def __init__(self, message: str, *, variable: str | None = None) -> None:
        super().__init__(message)
        self.variable = variable


class MissingExtra(ConfigError):
    """A setting that needs a package which is not installed."""
