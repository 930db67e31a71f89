"""The same client for asyncio programs: FastAPI, aiohttp, notebooks.

trio runs as a guest on the loop of the caller, in the caller's thread. Every class and function
has the name, the options and the guarantees of the native one; use ``asyncio`` to wait, cancel
and set deadlines.

::

    async with rt.aio.open_client(url, auth=token) as client:
        await client.ready()
        async with asyncio.timeout(30), client.ask("Hello") as turn:
            async for piece in turn.text:
                print(piece, end="")

Methods that do not wait (``state``, ``subscribe``, ``send_nowait``, ``statistics``) are plain
calls. A call that is cancelled ends first, then raises ``asyncio.CancelledError``. When the client
ends by itself, the task that entered its block gets the reason there.

Token sources, audio sources and sinks of the application are asyncio's, too. ``transport``,
``recorder`` and ``open_stream`` are for trio, as they are natively.
"""

# General layout: `_guest` (the run), `_door` (calls and blocks), `_channel` (reading), `_callbacks`
# (the application's own objects) are hand-written; the classes that mirror the native ones are
# written by `tools/doors.py`.

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

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
