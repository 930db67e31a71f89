"""Realtime agent streams for trio: text, thoughts, tools, media, sub-sessions and voice.

General layout, left to right as data flows; each part imports only what stands left of it::

    events       the wire's vocabulary and the one table of its types (public)
    _core        sans-IO: codec, values, state, notifications, vendors' formats
    _handlers    sans-IO: pure folds, one generic function a lane
    _processor   sans-IO: EventStreamProcessor, all of the above without a network
    _io          trio: transports, lanes, subscriptions, outbox, connection, client
    server, testing, cli, blocking    built on the client

This module only lists the public names.
"""

from . import _exceptions, events  # pyright: ignore[reportPrivateUsage]  a sibling
from ._core import _notifications
from ._core._audio import AudioFormat
from ._core._messages import (
    ImagePart,
    Message,
    MessageMetadata,
    OpenMessage,
    PlaceholderPart,
    TextPart,
    ToolResultPart,
    ToolUsePart,
)
from ._core._notifications import *  # noqa: F403  the list of names is that module's __all__
from ._core._state import (
    AudioSlice,
    Catalog,
    Connection,
    ControlSlice,
    Counters,
    Limits,
    OpenSubsession,
    Session,
    SessionState,
    TextSlice,
    TurnState,
)
from ._exceptions import *  # noqa: F403
from ._handlers import handles
from ._processor import EventStreamProcessor
from .events import (
    AudioFrame,
    ClientEvent,
    Direction,
    Event,
    Lane,
    ServerEvent,
    SessionEvent,
    UnknownEvent,
    event,
)

__version__ = "0.1.0"

__all__ = [
    "AudioFormat",
    "AudioFrame",
    "AudioSlice",
    "Catalog",
    "ClientEvent",
    "Connection",
    "ControlSlice",
    "Counters",
    "Direction",
    "Event",
    "EventStreamProcessor",
    "ImagePart",
    "Lane",
    "Limits",
    "Message",
    "MessageMetadata",
    "OpenMessage",
    "OpenSubsession",
    "PlaceholderPart",
    "ServerEvent",
    "Session",
    "SessionEvent",
    "SessionState",
    "TextPart",
    "TextSlice",
    "ToolResultPart",
    "ToolUsePart",
    "TurnState",
    "UnknownEvent",
    "event",
    "events",
    "handles",
]
__all__ += _notifications.__all__
__all__ += _exceptions.__all__
