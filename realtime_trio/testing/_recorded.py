"""Recorded traffic as a script: what a server once said, said again."""

from __future__ import annotations

import base64
import binascii
import gzip
import json
import os
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Final, cast

import attrs

from ..server._turn_engine import replace_strings
from ..server._turn_script import Emit, ScriptedTurn, Step, Wait, WireFrame

__all__ = ["recorded"]

_GZIP: Final = b"\x1f\x8b"
_ANSWERED_LIVE: Final = frozenset({"ping", "pong", "cancelled"})
"""The server's own affair: it answers what the client of today sends."""


def recorded(path: str | os.PathLike[str], *, speed: float = 1.0) -> tuple[ScriptedTurn, ...]:
    """Give the turns of a recording as scripts, for ``server.script(*recorded(path))``.

    ``path`` is a file of :class:`~realtime_trio.Recorder` or of ``realtime-trio record``,
    gzip-compressed or not. A turn reaches from a ``text_input`` that was sent (or, for speech,
    from ``user_turn_end``) to ``user_turn_start``, answers that same text, and is said frame
    by frame as it was, in the recording's time divided by ``speed``; only the session's id
    becomes that of the session in which it is asked. A turn that was killed never ends here
    either: it runs until a command kills it. What came outside of turns is left out, and so
    are pings and the word on a cancel, which the server has of its own.

    Ids are those of the recording, so a client that is told the same turn twice takes most of
    the second one for a repetition.

    Raises ``OSError`` where the file cannot be read and ``ValueError`` where it holds no
    recording, or where ``speed`` is not positive.
    """
    if not speed > 0:
        message = "speed must be more than 0: 1.0 is the recording's own"
        raise ValueError(message)
    lines = list(_read_lines(Path(path)))
    if not lines:
        message = "this file holds no frames: is it a recording?"
        raise ValueError(message)
    return tuple(each.build(speed) for each in _split_turns(lines) if each.frames)


@attrs.frozen(slots=True)
class _Line:
    """One frame of the recording; ``event`` is what it says, if it is an event."""

    at: float
    sent: bool
    frame: str | bytes
    event: Mapping[str, object]

    @property
    def type(self) -> object:
        return self.event.get("type")


@attrs.define(slots=True)
class _TurnBuilder:
    """A turn as it is collected."""

    user: str | None
    at: float
    session_id: object
    frames: list[tuple[float, WireFrame]] = attrs.field(factory=list[tuple[float, WireFrame]])

    def add(self, line: _Line) -> None:
        frame: WireFrame = line.frame
        if line.event:
            self.session_id = line.event.get("user_session_id") or self.session_id
            frame = line.event
        self.frames.append((line.at, frame))

    def build(self, speed: float) -> ScriptedTurn:
        """The script; what was sent at one time leaves at one time."""
        steps: list[Step] = []
        now, known = self.at, {}
        if isinstance(self.session_id, str):
            known = {self.session_id: "$session"}
        for at, frame in self.frames:
            if at > now:
                steps.append(Wait(seconds=(at - now) / speed))
                now = at
            if isinstance(frame, Mapping):
                frame = cast("Mapping[str, object]", replace_strings(frame, known))
            steps.append(Emit(frames=(frame,)))
        return ScriptedTurn(steps=tuple(steps), user=self.user, exact=True)


def _split_turns(lines: Iterable[_Line]) -> Iterator[_TurnBuilder]:
    builder: _TurnBuilder | None = None
    session_id: object = None
    for line in lines:
        if line.sent:
            if line.type == "text_input":
                if builder is not None:
                    yield builder
                text = line.event.get("text")
                builder = _TurnBuilder(text if isinstance(text, str) else None, line.at, session_id)
            continue
        session_id = _current_session(line.event) or session_id
        if builder is None and line.type == "user_turn_end":
            builder = _TurnBuilder(None, line.at, session_id)
        if builder is None or line.type in _ANSWERED_LIVE:
            continue
        builder.add(line)
        if line.type == "user_turn_start":
            yield builder
            builder = None
    if builder is not None:
        yield builder


def _current_session(event: Mapping[str, object]) -> object:
    """The session that an event makes the current one."""
    chat = event.get("chat_session") if event.get("type") == "chat_session_changed" else None
    return cast("dict[str, object]", chat).get("session_id") if isinstance(chat, dict) else None


def _read_lines(path: Path) -> Iterator[_Line]:
    data = path.read_bytes()
    for raw in (gzip.decompress(data) if data.startswith(_GZIP) else data).splitlines():
        row = _decode_object(raw)
        at, text, audio = row.get("t"), row.get("text"), row.get("data")
        if row.get("dir") not in ("in", "out") or not isinstance(at, (int, float)):
            continue
        sent = row["dir"] == "out"
        if isinstance(text, str):
            yield _Line(at, sent, text, _decode_object(text))
        elif isinstance(audio, str):
            try:
                yield _Line(at, sent, base64.b64decode(audio, validate=True), {})
            except binascii.Error:
                continue


def _decode_object(text: str | bytes) -> dict[str, object]:
    """A JSON object; an empty one where it is none."""
    try:
        value = json.loads(text)
    except (ValueError, RecursionError):
        return {}
    return cast("dict[str, object]", value) if isinstance(value, dict) else {}
