"""The version of flightlog."""

from runtime.instrument import __version__

__all__ = ["__version__"]
