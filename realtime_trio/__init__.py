"""Realtime agent streams for trio: text, thoughts, tools, media, sub-sessions and voice.

General layout, in the order in which data flows; each part imports only earlier parts::

    events       the wire vocabulary and the table of its types (public)
    _core        sans-IO: codec, values, state, notifications, vendor formats
    _handlers    sans-IO: pure folds, one generic function per lane
    _processor   sans-IO: EventStreamProcessor, which combines the parts above
    audio        formats, files, devices, playback; no connection (public)
    _transports  websockets: dialling and frames, in memory or over a socket
    _lanes       lanes and subscriptions
    _outbound    outbox, turn gate, receipts, cancels
    _rest        login, tokens, upload, URLs
    _log         sans-IO: entries, blocks, snapshots and digests of a journal
    _journal     SQLite, the writer of a log, recovery
    _history     the state at any position of a journal, a recording or a trace
    _turns       ask: channels, outcome, resync
    _connection  link, liveness, reconnection, recording
    _session     all parts of one client, wired and started
    _voice       sending, talking, playback
    _client      the client that applications hold
    server, testing, fleet   the embedded server, tools for tests, many processes (public)
    _doors, aio, blocking    the client for asyncio and for programs without async (public)
    instrument, cli          metrics and traces, the command line

This module only lists the public names.
"""

from __future__ import annotations

from . import _startup  # noqa: F401  # pyright: ignore[reportUnusedImport]  before what takes time

# isort: split
import importlib
from typing import TYPE_CHECKING, Any

from trio import BusyResourceError, EndOfChannel, WouldBlock

from . import _exceptions, events  # pyright: ignore[reportPrivateUsage]  a sibling
from ._config import ClientConfig, LaneBounds
from ._core import _notifications, _shell_notifications
from ._core._audio_format import AudioFormat
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
from ._core._shell_notifications import *  # noqa: F403  as above
from ._exceptions import *  # noqa: F403
from ._version import __version__ as __version__
from .abc import Connector, Transport
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

__all__ = [
    "ActiveTool",
    "AudioFormat",
    "AudioFrame",
    "AudioLane",
    "AudioSlice",
    "AudioStatistics",
    "Auth",
    "Block",
    "BusyResourceError",
    "CancelResult",
    "Catalog",
    "Change",
    "Client",
    "ClientConfig",
    "ClientEvent",
    "Coalesce",
    "Connection",
    "Connector",
    "ControlSlice",
    "Counters",
    "Direction",
    "DropOldest",
    "EndOfChannel",
    "Event",
    "EventStreamProcessor",
    "Health",
    "History",
    "HistoryEntry",
    "ImagePart",
    "Journal",
    "JournalStatistics",
    "Keep",
    "Lane",
    "LaneBounds",
    "LaneStatistics",
    "LaneView",
    "Latest",
    "Limits",
    "LogGap",
    "MemoryConnector",
    "MemoryTransport",
    "Message",
    "MessageMetadata",
    "OpenMessage",
    "OpenSubsession",
    "OutboxStatistics",
    "Outcome",
    "Overflow",
    "PasswordLogin",
    "PipelineStatistics",
    "PlaceholderPart",
    "Receipt",
    "Reconnection",
    "Recorder",
    "RecorderLike",
    "RecorderStatistics",
    "Recovered",
    "RecoveredCommand",
    "SendingStatistics",
    "ServerEvent",
    "Session",
    "SessionEvent",
    "SessionState",
    "Subscription",
    "SubscriptionStatistics",
    "TextPart",
    "TextSlice",
    "Timing",
    "ToolResultPart",
    "ToolUsePart",
    "Transport",
    "TrioWebsocketConnector",
    "Turn",
    "TurnCancelled",
    "TurnChannel",
    "TurnChannelStatistics",
    "TurnCompleted",
    "TurnFailed",
    "TurnLost",
    "TurnState",
    "UnknownEvent",
    "UploadedFile",
    "VoiceMode",
    "Watch",
    "WebsocketsConnector",
    "WouldBlock",
    "aio",
    "audio",
    "blocking",
    "event",
    "events",
    "fleet",
    "from_dict",
    "handles",
    "instrument",
    "memory_pair",
    "normalise_content",
    "open_client",
    "open_history",
    "server",
    "stored",
    "testing",
    "to_dict",
    "to_vendor",
]
__all__ += _notifications.__all__
__all__ += _shell_notifications.__all__
__all__ += _exceptions.__all__

if TYPE_CHECKING:
    from . import aio, audio, blocking, fleet, instrument, server, testing
    from ._client._client import Client, open_client
    from ._connection._recorder import RecorderLike
    from ._connection._recording import Recorder, RecorderStatistics
    from ._core._state import (
        ActiveTool,
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
    from ._core.vendors._normalise import normalise_content
    from ._core.vendors._to_vendor import to_vendor
    from ._handlers import handles
    from ._history._state_diff import Change
    from ._history._time_travel import History, HistoryEntry, open_history
    from ._journal._journal import Journal
    from ._journal._journal_store import JournalStatistics, Keep
    from ._journal._log_store import LogGap
    from ._journal._recovery import Recovered, RecoveredCommand
    from ._lanes._overflow import Block, Coalesce, DropOldest, Latest, Overflow
    from ._lanes._statistics import (
        LaneStatistics,
        PipelineStatistics,
        SubscriptionStatistics,
        Timing,
    )
    from ._lanes._subscription import LaneView, Subscription
    from ._lanes._watch import Watch
    from ._log._plain_data import from_dict, to_dict
    from ._log._plain_values import stored
    from ._outbound._cancel import CancelResult
    from ._outbound._receipt import Receipt
    from ._outbound._send_queue import OutboxStatistics
    from ._processor import EventStreamProcessor
    from ._rest._tokens import Auth, PasswordLogin
    from ._rest._upload import UploadedFile
    from ._session._reconnection import Reconnection
    from ._session._shell import Health
    from ._transports._memory import MemoryConnector, MemoryTransport, memory_pair
    from ._transports._trio_websocket import TrioWebsocketConnector
    from ._transports._websockets import WebsocketsConnector
    from ._turns._channel import TurnChannel, TurnChannelStatistics
    from ._turns._outcome import Outcome, TurnCancelled, TurnCompleted, TurnFailed, TurnLost
    from ._turns._turn_progress import Turn
    from ._voice._audio_lane import AudioLane, AudioStatistics
    from ._voice._sending import SendingStatistics
    from ._voice._talk import VoiceMode

# These are imported when a program first uses them. A test compares the table with ``__all__`` and
# with the imports above, which only type checkers see.
_MODULES_LATER = frozenset({"aio", "audio", "blocking", "fleet", "instrument", "server", "testing"})
_NAMES_LATER = {
    name: module
    for module, names in {
        "_client._client": "Client open_client",
        "_connection._recorder": "RecorderLike",
        "_connection._recording": "Recorder RecorderStatistics",
        "_core._state": (
            "ActiveTool AudioSlice Catalog Connection ControlSlice Counters Limits "
            "OpenSubsession Session SessionState TextSlice TurnState"
        ),
        "_core.vendors._normalise": "normalise_content",
        "_core.vendors._to_vendor": "to_vendor",
        "_handlers": "handles",
        "_history._state_diff": "Change",
        "_history._time_travel": "History HistoryEntry open_history",
        "_journal._journal": "Journal",
        "_journal._journal_store": "JournalStatistics Keep",
        "_journal._log_store": "LogGap",
        "_journal._recovery": "Recovered RecoveredCommand",
        "_lanes._overflow": "Block Coalesce DropOldest Latest Overflow",
        "_lanes._statistics": "LaneStatistics PipelineStatistics SubscriptionStatistics Timing",
        "_lanes._subscription": "LaneView Subscription",
        "_lanes._watch": "Watch",
        "_log._plain_data": "from_dict to_dict",
        "_log._plain_values": "stored",
        "_outbound._cancel": "CancelResult",
        "_outbound._receipt": "Receipt",
        "_outbound._send_queue": "OutboxStatistics",
        "_processor": "EventStreamProcessor",
        "_rest._tokens": "Auth PasswordLogin",
        "_rest._upload": "UploadedFile",
        "_session._reconnection": "Reconnection",
        "_session._shell": "Health",
        "_transports._memory": "MemoryConnector MemoryTransport memory_pair",
        "_transports._trio_websocket": "TrioWebsocketConnector",
        "_transports._websockets": "WebsocketsConnector",
        "_turns._channel": "TurnChannel TurnChannelStatistics",
        "_turns._outcome": "Outcome TurnCancelled TurnCompleted TurnFailed TurnLost",
        "_turns._turn_progress": "Turn",
        "_voice._audio_lane": "AudioLane AudioStatistics",
        "_voice._sending": "SendingStatistics",
        "_voice._talk": "VoiceMode",
    }.items()
    for name in names.split()
}


def __getattr__(name: str) -> Any:
    if name in _MODULES_LATER:
        return importlib.import_module(f".{name}", __name__)
    if name in _NAMES_LATER:
        found = getattr(importlib.import_module(f".{_NAMES_LATER[name]}", __name__), name)
        globals()[name] = found
        return found
    message = f"module {__name__!r} has no attribute {name!r}"
    raise AttributeError(message)


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
