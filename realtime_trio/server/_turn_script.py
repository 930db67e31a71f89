"""The vocabulary of a scripted turn: frozen values that say what the server will stream.

The helpers that build them are in :mod:`realtime_trio.testing`. A turn is a sequence of
steps; a step that uses tools may hold delegations, whose replies are turns themselves.
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
    "Render",
    "Say",
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
"""What travels: an event, a text frame exactly as it is, or a binary frame."""


@attrs.frozen(slots=True, kw_only=True)
class Say:
    """Stream ``text`` in small deltas; ``pieces`` says exactly which."""

    text: str = ""
    pieces: tuple[str, ...] | None = None

    @property
    def whole(self) -> str:
        """The text that a reader ends up with."""
        return self.text if self.pieces is None else "".join(self.pieces)


@attrs.frozen(slots=True, kw_only=True)
class Think:
    """Stream a thought: natively, or through the tool named ``think``."""

    text: str
    by_tool: bool = False


@attrs.frozen(slots=True, kw_only=True)
class ScriptedMedia:
    """One ``render_media``. ``sent_by_class`` falls back to a name made from the tool's."""

    content: str | None = None
    content_type: str = "text/markdown"
    url: str | None = None
    name: str | None = None
    sent_by_class: str | None = None
    sent_by_function: str | None = None
    foreign_content: bool = False


@attrs.frozen(slots=True, kw_only=True)
class Render:
    """Show media beside the text of the answer."""

    media: ScriptedMedia


@attrs.frozen(slots=True, kw_only=True)
class ScriptedTool:
    """One call of a tool.

    ``delay`` is how long it runs, in seconds. ``raises`` makes it fail loudly, as a tool of
    a real server does: a ``system_message``, an ``error``, and a turn that goes on.
    ``events`` are sent, as they are, while it runs.
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
    """A call of a delegation tool: another agent answers in a sub-session of its own."""

    reply: ScriptedTurn
    agent_key: str = "helper"
    request: str = "Please help."
    kind: Literal["chat", "oneshot"] = "oneshot"
    by: Literal["assist", "clone", "team", "tool"] = "assist"
    id: str | None = None


Call = ScriptedTool | Delegate


@attrs.frozen(slots=True, kw_only=True)
class UseTools:
    """Call tools, all at the same time; their delegations run interleaved."""

    calls: tuple[Call, ...]


@attrs.frozen(slots=True, kw_only=True)
class Speak:
    """Send speech as binary frames.

    ``audio`` is PCM16 (little-endian, mono, 16 kHz) or a text that becomes tones.
    ``frame`` is the length of one frame in seconds; frames leave in real time.
    """

    audio: bytes | str
    frame: float = 0.04


@attrs.frozen(slots=True, kw_only=True)
class Wait:
    """Send nothing for ``seconds``; a cancel ends it."""

    seconds: float


@attrs.frozen(slots=True, kw_only=True)
class Emit:
    """Send frames as they are.

    Anywhere in an event the values ``"$session"`` and ``"$user_session"`` are replaced by the
    ids of the running session and of the user's.
    """

    frames: tuple[WireFrame, ...]


@attrs.frozen(slots=True, kw_only=True)
class Fail:
    """The runtime fails here: an error, and neither a completion nor an end (protocol.md §7)."""

    message: str = "Exception during completion"
    by: Literal["system_message", "error"] = "system_message"


Step = Say | Think | Render | UseTools | Speak | Wait | Emit | Fail


@attrs.frozen(slots=True, kw_only=True)
class ScriptedTurn:
    """What the server answers to one input.

    ``user`` is the input that it answers (``None``: whatever comes next). ``delay`` is the
    time between two deltas in seconds (``None``: the server's pace) and ``late`` the number
    of deltas that still leave after a cancel. ``times`` is how often it may be used.
    ``exact`` steps are the whole turn, its beginning and its end included: nothing is put
    around them. Without a ``user_turn_start`` such a turn runs until a command kills it.
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
