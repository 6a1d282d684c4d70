"""Sessions: where the conversation is kept between runs."""

from runtime.memory.session import Session, SessionABC, SessionInputCallback
from runtime.memory.sqlite_session import SQLiteSession

__all__ = ["SQLiteSession", "Session", "SessionABC", "SessionInputCallback"]
