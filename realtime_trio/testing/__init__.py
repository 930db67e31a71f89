"""The shipped test kit."""

from __future__ import annotations

from realtime_trio.testing._check_transport import Peer, check_transport
from realtime_trio.testing._script import (
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

__all__ = [
    "Peer",
    "check_transport",
    "delegate",
    "emit",
    "fail",
    "media",
    "say",
    "show",
    "speak",
    "think",
    "tool",
    "turn",
    "use",
    "wait",
]
