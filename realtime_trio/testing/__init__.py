"""The shipped test kit."""

from __future__ import annotations

from realtime_trio.testing._check_transport import check_transport
from realtime_trio.testing._plans import fault_plans
from realtime_trio.testing._recorded import recorded
from realtime_trio.testing._scripting import (
    delegate,
    emit,
    fail,
    media,
    say,
    show,
    speak,
    think,
    tool,
    turn,
    use,
    wait,
)
from realtime_trio.testing._transport_tools import Peer

__all__ = [
    "Peer",
    "check_transport",
    "delegate",
    "emit",
    "fail",
    "fault_plans",
    "media",
    "recorded",
    "say",
    "show",
    "speak",
    "think",
    "tool",
    "turn",
    "use",
    "wait",
]
