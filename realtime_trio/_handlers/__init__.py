"""Pure folds: they take a slice and an event and return a new slice and notifications.

Importing this package registers every built-in handler.
"""

from . import _audio, _builder, _control, _sessions, _tools, _turn, _users
from ._fold import NOT_FOLDED, CallHandler, LaneFold, handles, has_custom_handlers, lanes_of
from ._sessions import reset

__all__ = [
    "NOT_FOLDED",
    "CallHandler",
    "LaneFold",
    "handles",
    "has_custom_handlers",
    "lanes_of",
    "reset",
]

_REGISTERS = (_audio, _builder, _control, _sessions, _tools, _turn, _users)
