"""The embedded server: the whole protocol in this process, for tests, demos and development.

::

    async with open_server() as server:
        server.script(turn("Hello", text="Hi there"))
        ...  # server.url, or await server.listen()

General layout, from the inside out: ``_turn_script`` (what a turn is), ``_turn_engine``,
``_vendor_formats`` and ``_answer`` (a turn as a stream), ``_server_state``, ``_turn_scheduler``,
``_command_handlers`` and ``_server_core`` (the server as a value), ``_faults`` and
``_fault_pipeline`` (what goes wrong), ``_rest_api``, ``_http`` and ``_socket`` (the outside),
``_client_connection``, ``_hub`` and ``_embedded`` (the trio shell).
"""

from __future__ import annotations

from ._catalog import Account, Agent
from ._embedded import RealtimeServer, ServerStatistics, open_server
from ._espeak import synthesise
from ._fault_pipeline import Faults
from ._faults import (
    Action,
    Cut,
    CutHow,
    Delay,
    Drop,
    Duplicate,
    Garble,
    HangUp,
    Oversized,
    Packet,
    Plan,
    Reorder,
    Silence,
    SlowDrain,
    Stage,
    Stall,
)
from ._hub import Received
from ._options import ServerConfig
from ._rest_api import Request, Response
from ._turn_script import (
    Delegate,
    Emit,
    Fail,
    Render,
    Say,
    ScriptedMedia,
    ScriptedTool,
    ScriptedTurn,
    Speak,
    Think,
    UseTools,
    Wait,
)

__all__ = [
    "Account",
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
    "HangUp",
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
    "ScriptedMedia",
    "ScriptedTool",
    "ScriptedTurn",
    "ServerConfig",
    "ServerStatistics",
    "Silence",
    "SlowDrain",
    "Speak",
    "Stage",
    "Stall",
    "Think",
    "UseTools",
    "Wait",
    "open_server",
    "synthesise",
]
