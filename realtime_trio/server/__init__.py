"""The embedded server speaks the whole protocol in this process, for tests and development.

::

    async with open_server() as server:
        server.script(turn("Hello", text="Hi there"))
        ...  # use server.url, or await server.listen()
"""

# General layout, from the inside out:
#
# - A turn as data: `_turn_script` (its steps), `_turn_engine`, `_vendor_formats` and
#   `_answer` (the stream of events that the steps become).
# - The sans-IO server: `_server_state`, `_storage` (the bounds), `_turn_scheduler`,
#   `_script_checks`, `_chat_commands`, `_command_handlers` and `_server_core`.
# - Fault injection: `_faults` (plans) and `_fault_pipeline` (`server.faults`).
# - Protocol endpoints: `_rest_api`, `_origin`, `_http` and `_socket`.
# - The trio shell: `_client_connection`, `_contain`, `_hub` and `_embedded`.

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
from ._hub import Received, Traffic
from ._options import ServerConfig
from ._rest_api import Request, Response
from ._turn_script import (
    Delegate,
    Emit,
    Fail,
    Notice,
    Render,
    Say,
    ScriptedAnswer,
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
    "Notice",
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
    "ScriptedAnswer",
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
    "Traffic",
    "UseTools",
    "Wait",
    "open_server",
    "synthesise",
]
