"""The wire vocabulary: every event and record of the protocol as an immutable value.

Import it as ``from realtime_trio import events as ev``. The table of all types is
:data:`realtime_trio.events.REGISTRY`; ``realtime-trio events`` prints it.
"""

from . import _commands, _models, _server  # pyright: ignore[reportPrivateUsage]  siblings
from ._base import (
    AudioFrame,
    ClientEvent,
    Event,
    ServerEvent,
    SessionEvent,
    UnknownEvent,
    frozen,
)
from ._commands import *  # noqa: F403  the list of names is __all__ of that module
from ._models import *  # noqa: F403
from ._registry import REGISTRY, Direction, Lane, Registry, Row, event
from ._server import *  # noqa: F403

__all__ = [
    "REGISTRY",
    "AudioFrame",
    "ClientEvent",
    "Direction",
    "Event",
    "Lane",
    "Registry",
    "Row",
    "ServerEvent",
    "SessionEvent",
    "UnknownEvent",
    "event",
    "frozen",
]
__all__ += _commands.__all__
__all__ += _models.__all__
__all__ += _server.__all__
