"""The embedded server: the whole protocol in this process, for tests, demos and development.

::

    async with open_server() as server:
        server.script(turn("Hello", text="Hi there"))
        ...  # server.url, or await server.listen()

General layout, from the inside out: ``_script`` (what a turn is), ``_turn``, ``_vendors`` and
``_answer`` (a turn as a stream), ``_world``, ``_turns``, ``_commands`` and ``_brain`` (the
server as a value), ``_faults`` and ``_pipeline`` (what goes wrong), ``_rest``, ``_http`` and
``_socket`` (the outside), ``_connection``, ``_hub`` and ``_server`` (the trio shell).
"""

from __future__ import annotations

from realtime_trio.server._catalog import Agent, User
from realtime_trio.server._config import ServerConfig
from realtime_trio.server._faults import (
    Action,
    Cut,
    CutHow,
    Delay,
    Drop,
    Duplicate,
    Garble,
    Oversized,
    Packet,
    Plan,
    Reorder,
    Silence,
    SlowDrain,
    Snip,
    Stage,
    Stall,
)
from realtime_trio.server._hub import Received
from realtime_trio.server._pipeline import Faults
from realtime_trio.server._rest import Request, Response
from realtime_trio.server._script import (
    Delegate,
    Emit,
    Fail,
    Media,
    Render,
    Say,
    Speak,
    Think,
    Tool,
    Turn,
    UseTools,
    Wait,
)
from realtime_trio.server._server import RealtimeServer, ServerStatistics, open_server

__all__ = [
    "Action",
    "Agent",
    "Cut",
    "CutHow",
    "Delay",
    "Delegate",
    "Drop",
    "Duplicate",
    "Emit",
    "Fail",
    "Faults",
    "Garble",
    "Media",
    "Oversized",
    "Packet",
    "Plan",
    "RealtimeServer",
    "Received",
    "Render",
    "Reorder",
    "Request",
    "Response",
    "Say",
    "ServerConfig",
    "ServerStatistics",
    "Silence",
    "SlowDrain",
    "Snip",
    "Speak",
    "Stage",
    "Stall",
    "Think",
    "Tool",
    "Turn",
    "UseTools",
    "User",
    "Wait",
    "open_server",
]
