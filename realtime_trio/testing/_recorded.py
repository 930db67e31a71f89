"""Replay recorded traffic as scripted turns."""

from __future__ import annotations

import base64
import binascii
import json
import os
from collections.abc import Iterable, Iterator, Mapping
from typing import Final, cast

import attrs

from .._history._journal_lines import is_journal, journal_lines
from .._history._line_entries import read_lines
from ..server._command_handlers import KEEPS_TURN
from ..server._turn_engine import replace_strings
from ..server._turn_script import Emit, ScriptedAnswer, ScriptedTurn, Step, Wait, WireFrame

__all__ = ["recorded", "recording"]

_ANSWERED_LIVE: Final = frozenset({"ping", "pong", "cancelled"})
"""Events with which the server answers the current client, so they are not replayed."""


def recording(
    path: str | os.PathLike[str], *, name: str | None = None, speed: float = 1.0
) -> tuple[ScriptedTurn | ScriptedAnswer, ...]:
    """Make scripts of a recording or a journal: ``server.script(recording("call.jsonl.gz"))``.

    It returns the scripts of :func:`recorded` for use as one argument.
    """
    return recorded(path, name=name, speed=speed)


def recorded(
    path: str | os.PathLike[str], *, name: str | None = None, speed: float = 1.0
) -> tuple[ScriptedTurn | ScriptedAnswer, ...]:
    """Return the turns of a recording as scripts, for ``server.script(*recorded(path))``.

    ``path`` is a file written by :class:`~realtime_trio.Recorder` or ``realtime-trio record``,
    gzip-compressed or not, or a journal with its session ``name``, by default the one that was
    written to last. A turn starts with the ``text_input`` that the client sent (for
    speech, with ``user_turn_end``) and ends with ``user_turn_start``. It answers the same text,
    frame by frame, with the recording's timing divided by ``speed``; only the session id is
    replaced by that of the current session. A killed turn does not end: it runs until a
    command kills it. The answer to an input that started no turn, such as a chat command, is
    everything before the client's next command. Other frames outside turns are left out, and so
    are pings and the confirmation of a cancel, which the server sends itself.

    All other ids are those of the recording, so a client that receives the same turn twice drops
    most of the second one as duplicates.

    Raises ``OSError`` if the file cannot be read, and ``ValueError`` if it holds no recording or
    if ``speed`` is not positive.
    """
    if not speed > 0:
        message = f"speed must be greater than 0, not {speed!r}; 1.0 is the recorded speed"
        raise ValueError(message)
    lines = list(_read_lines(path, name))
    if not lines:
        message = f"{os.fspath(path)} contains no frames; pass a file written by Recorder"
        raise ValueError(message)
    return tuple(each.build(speed) for each in _split_turns(lines) if each.frames)


@attrs.frozen(slots=True)
class _Line:
    """One frame of the recording; ``event`` is its content, if it is an event."""

    at: float
    sent: bool
    frame: str | bytes
    event: Mapping[str, object]

    @property
    def type(self) -> object:
        return self.event.get("type")


@attrs.define(slots=True)
class _TurnBuilder:
    """Collects the frames of one turn."""

    user: str | None
    at: float
    session_id: object
    began: bool = False
    frames: list[tuple[float, WireFrame]] = attrs.field(factory=list[tuple[float, WireFrame]])

    def add(self, line: _Line) -> None:
        frame: WireFrame = line.frame
        if line.event:
            self.session_id = line.event.get("user_session_id") or self.session_id
            self.began = self.began or line.type == "user_turn_end"
            frame = line.event
        self.frames.append((line.at, frame))

    def ends_at(self, line: _Line) -> bool:
        """Return whether a line of the client ends it: its next input, or a next command."""
        if line.type == "text_input":
            return True
        return line.type is not None and not self.began and line.type not in KEEPS_TURN

    def build(self, speed: float) -> ScriptedTurn | ScriptedAnswer:
        """Build the script; frames received at the same time leave at the same time."""
        steps: list[Step] = []
        now, replacements = self.at, {}
        if isinstance(self.session_id, str):
            replacements = {self.session_id: "$session"}
        for at, frame in self.frames:
            if at > now:
                steps.append(Wait(seconds=(at - now) / speed))
                now = at
            if isinstance(frame, Mapping):
                frame = cast("Mapping[str, object]", replace_strings(frame, replacements))
            steps.append(Emit(frames=(frame,)))
        if not self.began:
            return ScriptedAnswer(command="text_input", steps=tuple(steps), user=self.user)
        return ScriptedTurn(steps=tuple(steps), user=self.user, exact=True, start=0.0)


def _split_turns(lines: Iterable[_Line]) -> Iterator[_TurnBuilder]:
    builder: _TurnBuilder | None = None
    session_id: object = None
    for line in lines:
        if line.sent:
            if builder is not None and builder.ends_at(line):
                yield builder
                builder = None
            if line.type == "text_input":
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
    """Return the session that an event makes the current one."""
    chat = event.get("chat_session") if event.get("type") == "chat_session_changed" else None
    return cast("dict[str, object]", chat).get("session_id") if isinstance(chat, dict) else None


def _read_lines(path: str | os.PathLike[str], name: str | None) -> Iterator[_Line]:
    journal = is_journal(path)
    for raw in journal_lines(path, name) if journal else read_lines(path):
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
    """Decode a JSON object; return an empty one if it is not an object."""
    try:
        value = json.loads(text)
    except (ValueError, RecursionError):
        return {}
    return cast("dict[str, object]", value) if isinstance(value, dict) else {}
