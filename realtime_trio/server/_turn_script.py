"""The vocabulary of a scripted turn: frozen values that describe what the server streams.

The functions in :mod:`realtime_trio.testing` build them. A turn is a sequence of steps. A
step that uses tools can contain delegations, whose replies are turns themselves.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal

import attrs

__all__ = [
    "Call",
    "Delegate",
    "Emit",
    "Fail",
    "Notice",
    "Render",
    "Say",
    "ScriptedAnswer",
    "ScriptedMedia",
    "ScriptedTool",
    "ScriptedTurn",
    "Speak",
    "Step",
    "Think",
    "UseTools",
    "Wait",
    "WireFrame",
]

WireFrame = Mapping[str, object] | str | bytes
"""An outgoing frame: an event, a raw text frame, or a binary frame."""


@attrs.frozen(slots=True, kw_only=True)
class Say:
    """Stream ``text`` in small deltas; ``pieces`` sets the exact deltas."""

    text: str = ""
    pieces: tuple[str, ...] | None = None

    @property
    def whole(self) -> str:
        """The complete text."""
        return self.text if self.pieces is None else "".join(self.pieces)


@attrs.frozen(slots=True, kw_only=True)
class Think:
    """Stream a thought, natively or through the tool named ``think``."""

    text: str
    by_tool: bool = False


@attrs.frozen(slots=True, kw_only=True)
class ScriptedMedia:
    """The fields of one ``render_media``; ``sent_by_class`` defaults to the tool's class."""

    content: str | None = None
    content_type: str = "text/markdown"
    url: str | None = None
    name: str | None = None
    sent_by_class: str | None = None
    sent_by_function: str | None = None
    foreign_content: bool = False


@attrs.frozen(slots=True, kw_only=True)
class Render:
    """Render media next to the text of the answer."""

    media: ScriptedMedia


@attrs.frozen(slots=True, kw_only=True)
class ScriptedTool:
    """One tool call.

    ``delay`` is its running time in seconds. ``raises`` makes it fail as a tool of a real server
    does: with a ``system_message`` and an ``error``, after which the turn continues. ``events``
    are sent unchanged while it runs.
    """

    name: str
    input: Mapping[str, object] = attrs.field(factory=dict[str, object])
    result: str = "ok"
    id: str | None = None
    is_error: bool = False
    raises: str | None = None
    delay: float = 0.0
    media: tuple[ScriptedMedia, ...] = ()
    events: tuple[WireFrame, ...] = ()


@attrs.frozen(slots=True, kw_only=True)
class Delegate:
    """A call of a delegation tool: another agent answers in its own sub-session."""

    reply: ScriptedTurn
    agent_key: str = "helper"
    request: str = "Please help."
    kind: Literal["chat", "oneshot"] = "oneshot"
    by: Literal["assist", "clone", "team", "tool"] = "assist"
    id: str | None = None


Call = ScriptedTool | Delegate


@attrs.frozen(slots=True, kw_only=True)
class UseTools:
    """Call tools concurrently; their delegations run interleaved."""

    calls: tuple[Call, ...]


@attrs.frozen(slots=True, kw_only=True)
class Speak:
    """Send speech as binary frames.

    ``audio`` is PCM16 (little-endian, mono, 16 kHz) or text, which becomes tones. ``frame`` is
    the length of one frame in seconds. Frames leave in real time.
    """

    audio: bytes | str
    frame: float = 0.04


@attrs.frozen(slots=True, kw_only=True)
class Wait:
    """Send nothing for ``seconds``; a cancel ends the wait."""

    seconds: float


@attrs.frozen(slots=True, kw_only=True)
class Emit:
    """Send frames unchanged.

    In an event, the values ``"$session"`` and ``"$user_session"`` are replaced by the ids of the
    running session and of the user's session.
    """

    frames: tuple[WireFrame, ...]


@attrs.frozen(slots=True, kw_only=True)
class Fail:
    """Fail here as a runtime does: an error, but no completion and no end (protocol §7)."""

    message: str = "Exception during completion"
    by: Literal["system_message", "error"] = "system_message"


@attrs.frozen(slots=True, kw_only=True)
class Notice:
    """Send a ``system_message`` of the server's bridge."""

    content: str
    severity: Literal["info", "warning", "error"] = "info"


Step = Say | Think | Render | UseTools | Speak | Wait | Emit | Fail | Notice


@attrs.frozen(slots=True, kw_only=True)
class ScriptedTurn:
    """The answer of the server to one input.

    ``user`` is the text of that input (``None``: any). ``delay`` is the time between two deltas
    in seconds (``None``: the server's ``pace``), and ``late`` is the number of deltas that still
    leave after a cancel. ``times`` is how many inputs the turn answers. If ``exact`` is set, the
    steps are the whole turn, including its start and end, and nothing is added around them. An
    exact turn without ``user_turn_start`` runs until a command kills it.

    ``start`` is the time in seconds between the input and ``user_turn_end`` (``None``: the
    server's ``turn_start``). ``unprepared`` makes the turn fail before its interaction with that
    message: ``user_turn_end``, ``chat_session_added``, ``error``, ``user_turn_start``.
    """

    steps: tuple[Step, ...] = ()
    user: str | None = None
    delay: float | None = None
    late: int = 0
    stop_reason: str = "end_turn"
    input_tokens: int = 123
    output_tokens: int | None = None
    times: int = 1
    exact: bool = False
    start: float | None = None
    unprepared: str | None = None


@attrs.frozen(slots=True, kw_only=True)
class ScriptedAnswer:
    """The answer of the server to one command, outside any turn.

    ``command`` is the type of the command's event, and ``user`` the text that a ``text_input``
    must have (``None``: any). The steps replace the whole effect of the command; without steps
    there is no answer. They are sent at once, without pauses. ``times`` is how
    many commands it answers.
    """

    command: str
    steps: tuple[Step, ...] = ()
    user: str | None = None
    times: int = 1
