"""Tools for testing an application: scripted answers, fault plans, conformance suites."""

from __future__ import annotations

from ._check_handler import check_handler
from ._check_log import check_log
from ._check_transport import check_transport
from ._plans import fault_plans
from ._recorded import recorded, recording
from ._scripting import (
    answer,
    command,
    delegate,
    emit,
    fail,
    media,
    notice,
    say,
    show,
    speak,
    think,
    tool,
    turn,
    use,
    wait,
)
from ._transport_tools import Peer

__all__ = [
    "Peer",
    "answer",
    "check_handler",
    "check_log",
    "check_transport",
    "command",
    "delegate",
    "emit",
    "fail",
    "fault_plans",
    "media",
    "notice",
    "recorded",
    "recording",
    "say",
    "show",
    "speak",
    "think",
    "tool",
    "turn",
    "use",
    "wait",
]
