"""The embedded server: the whole protocol in this process, for tests, demos and development.

::

    async with open_server() as server:
        server.script(turn("Hello", text="Hi there"))
        ...  # server.url, or await server.listen()

General layout, from the inside out: ``_turn_script`` (what a turn is), ``_turn_engine``,
``_vendor_formats`` and ``_answer`` (a turn as a stream), ``_server_state``, ``_running_turns``,
``_command_handlers`` and ``_server_core`` (the server as a value), ``_faults`` and
``_fault_pipeline`` (what goes wrong), ``_rest_api``, ``_http`` and ``_socket`` (the outside),
``_client_connection``, ``_hub`` and ``_embedded`` (the trio shell).
"""

from __future__ import annotations

from realtime_trio.server._catalog import Agent, User
from realtime_trio.server._embedded import RealtimeServer, ServerStatistics, open_server
from realtime_trio.server._espeak import synthesise
from realtime_trio.server._fault_pipeline import Faults
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
from realtime_trio.server._options import ServerConfig
from realtime_trio.server._rest_api import Request, Response
from realtime_trio.server._turn_script import (
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
    "synthesise",
]
