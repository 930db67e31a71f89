"""The same client without ``async``, for scripts, Flask and threads.

Every class and function has the name, the options and the guarantees of the native one. Use
``with`` instead of ``async with``, ``for`` instead of ``async for``, and no ``await``.

::

    with rt.blocking.open_client(url, auth=token) as client:
        client.ready()
        with client.ask("Hello") as turn:
            for piece in turn.text:
                print(piece, end="")

The clients of a process share one thread, which runs trio while something is open. Any thread may
use a client; threads that read one channel share its items. A channel fetches up to 64 items at a
time. There are no cancel scopes: Ctrl-C ends a wait of the main thread, and ``client.close()``
from another thread ends all waits of that client, with :class:`~realtime_trio.ClosedError`.

Token sources, audio sources and sinks may be ordinary objects, which run in threads, or trio's.
"""

# General layout: `_portal` (the thread), `_door` (calls and blocks), `_channel` (reading),
# `_callbacks` (the application's own objects) are hand-written; the classes that mirror the native
# ones are written by `tools/doors.py`.

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

from ._callbacks import PlainAuth, PlainSink
from ._channels import LaneView, Subscription, TurnChannel, Watch
from ._client import Client, open_client
from ._history import History, open_history
from ._server import Faults, RealtimeServer, open_server
from ._turn import Receipt, Reconnection, Turn
from ._voice import (
    AudioLane,
    Microphone,
    Playback,
    Speaker,
    WavSink,
    open_microphone,
    open_speaker,
    open_wav_sink,
)

if TYPE_CHECKING:
    from ._fleet import Fleet, Node, NodeChanges, open_fleet, open_node
    from ._remote import RemoteReceipt, RemoteSession, RemoteTurn

__all__ = [
    "AudioLane",
    "Client",
    "Faults",
    "Fleet",
    "History",
    "LaneView",
    "Microphone",
    "Node",
    "NodeChanges",
    "PlainAuth",
    "PlainSink",
    "Playback",
    "RealtimeServer",
    "Receipt",
    "Reconnection",
    "RemoteReceipt",
    "RemoteSession",
    "RemoteTurn",
    "Speaker",
    "Subscription",
    "Turn",
    "TurnChannel",
    "Watch",
    "WavSink",
    "open_client",
    "open_fleet",
    "open_history",
    "open_microphone",
    "open_node",
    "open_server",
    "open_speaker",
    "open_wav_sink",
]


def __getattr__(name: str) -> Any:
    if name in __all__:  # of a fleet: not every program has one
        module = "._remote" if name.startswith("Remote") else "._fleet"
        return getattr(import_module(module, __name__), name)
    message = f"module {__name__!r} has no attribute {name!r}"
    raise AttributeError(message)


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
