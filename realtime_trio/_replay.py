"""Replay a file of events through the sans-IO core, for ``realtime-trio replay``.

It reads two kinds of file and distinguishes them by the first line that is neither blank nor a
``__ctl`` line. A *trace* holds one server event a line. A *recording* holds one frame or one
fact about a link a line: ``{"t": seconds, "dir": "in", "text": …}``. In both, lines with
``__ctl`` move the clock or call a method of the processor.

The file sets the clock, counted from :data:`EPOCH`, and the processor's counter generates ids, so
the output for a file is reproducible byte for byte.
"""

from __future__ import annotations

import binascii
import json
import math
import re
from collections.abc import Mapping, Sequence
from json.encoder import encode_basestring_ascii
from typing import NoReturn, TypeAlias, cast

import attrs
import msgspec
from msgspec.structs import asdict

from ._core._local_events import InputSentEvent, LinkLostEvent
from ._core._notifications import MessageStreaming, Notification
from ._core._render import notification_to_json, state_to_json
from ._core._state import Limits, SessionState
from ._processor import EventStreamProcessor
from .events import TextInputEvent

__all__ = ["EPOCH", "Replay", "SkippedLine", "is_object", "note_line", "state_line"]

EPOCH = 946_684_800.0  # 2000-01-01T00:00:00Z: the start of the clock in every replay
_LATEST = 4_102_444_800.0  # 2100-01-01: the end of the clock in every replay

JsonObject: TypeAlias = dict[str, object]


@attrs.frozen(slots=True)
class SkippedLine:
    """A line that was not folded: a ``ctl`` line, or a line of a recording that is not a frame."""

    kind: str
    fields: Mapping[str, object]


class _Frame(msgspec.Struct):
    """The lines that make up a recording."""

    dir: str
    t: float | None = None
    text: str | None = None
    data: str | None = None


class _Streaming(msgspec.Struct):
    """The line of a delta, the most frequent kind, with its fields in order."""

    event: int
    name: str
    session_id: str
    message_id: str
    role: str
    delta: str


_read_frame = msgspec.json.Decoder(_Frame).decode
_read_any = msgspec.json.Decoder().decode
_encode = msgspec.json.Encoder().encode
_BEYOND_ASCII = re.compile(r"[^\x00-\x7f]+")


def _refuse(name: str) -> NoReturn:
    message = f"{name} is not JSON"
    raise ValueError(message)


def _read_object(line: bytes) -> JsonObject | None:
    """Parse a line as a JSON object, or return ``None``."""
    try:
        value = _read_any(line)
    except (
        ValueError,
        RecursionError,
    ):  # numbers beyond msgspec, unpaired surrogates
        try:
            value = json.loads(line.decode(), parse_constant=_refuse)
        except (ValueError, RecursionError):
            return None
    return cast("JsonObject", value) if isinstance(value, dict) else None


def is_object(line: bytes) -> bool:
    """Whether a line is a JSON object, as required in a trace or a recording."""
    return line.lstrip().startswith(b"{") and _read_object(line) is not None


def _is_input(text: object) -> bool:
    """Whether what was sent is a ``text_input``."""
    if not isinstance(text, str) or TextInputEvent.type not in text:
        return False
    fields = _read_object(text.encode("utf-8", "surrogatepass"))
    return fields is not None and fields.get("type") == TextInputEvent.type


def _seconds(value: object) -> float | None:
    """Return a finite number of seconds, or ``None``."""
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        return None
    try:
        seconds = float(value)
    except OverflowError:
        return None
    return seconds if math.isfinite(seconds) else None


class Replay:
    """Folds one file. Feed it every line, in order.

    ``line`` is the number of the last line, from 0. ``skipped`` describes that line if it was not
    folded. ``now`` is the clock, in seconds since 1970.
    """

    def __init__(self) -> None:
        self.line = -1
        self.skipped: SkippedLine | None = None
        self.now = EPOCH
        self.recording: bool | None = None
        self.began = False
        self._advanced = 0.0
        self._connected: object = None
        self._processor = EventStreamProcessor()

    @property
    def state(self) -> SessionState:
        """The state after the last line."""
        return self._processor.state

    def feed(self, line: bytes) -> tuple[Notification, ...]:
        """Fold one line, with or without its line break, and return its notifications."""
        self.line += 1
        self.skipped = None
        if not line or line.isspace():
            return ()
        if b'"__ctl"' in line:
            fields = _read_object(line)
            if fields is not None and "__ctl" in fields:
                return self._control(fields)
        self.began = True
        if self.recording:
            return self._recorded(line)
        if self.recording is None:
            fields = _read_object(line)
            if fields is not None:
                self.recording = "dir" in fields and "type" not in fields
            if self.recording:
                return self._recorded(line)
        return self._processor.process_frame(line, at=self.now)

    # -- ctl lines -------------------------------------------------------------------------

    def _control(self, fields: JsonObject) -> tuple[Notification, ...]:
        self.skipped = SkippedLine("ctl", fields)
        first, self.began = not self.began, True
        match fields["__ctl"]:
            case "advance":
                self._advance(fields.get("ms"))
            case "set_user_session_id":
                session_id = fields.get("id")
                if session_id is None or isinstance(session_id, str):
                    self._processor.set_user_session_id(session_id)
            case "reset":
                self._processor.reset()
            case "link_lost":
                return self._lose_link()
            case "config" if first:
                self._configure(fields)
            case _:
                pass
        return ()

    def _lose_link(self) -> tuple[Notification, ...]:
        return self._processor.process_event(LinkLostEvent(), at=self.now)

    def _advance(self, ms: object) -> None:
        seconds = _seconds(ms)
        if seconds is not None and seconds > 0:
            self._advanced += seconds / 1000
            self._set_clock(self.now + seconds / 1000)

    def _set_clock(self, now: float) -> None:
        self.now = min(max(now, EPOCH), _LATEST)

    def _configure(self, fields: JsonObject) -> None:
        """Apply valid limits; any other value keeps the default."""
        bounds = {
            name: value
            for name in ("max_sessions", "max_messages")
            if isinstance(value := fields.get(name), int)
            and not isinstance(value, bool)
            and value > 0
        }
        self._processor = EventStreamProcessor(limits=Limits(**bounds))

    # -- recordings ------------------------------------------------------------------------

    def _recorded(self, line: bytes) -> tuple[Notification, ...]:
        try:
            frame = _read_frame(line)
        except (ValueError, RecursionError):
            return self._odd(line)
        if frame.t is not None and math.isfinite(frame.t):
            self._set_clock(EPOCH + frame.t + self._advanced)
        if frame.dir != "in":
            return self._skip(frame.dir, _read_object(line) or {})
        if frame.text is not None:
            return self._processor.process_frame(frame.text, at=self.now)
        if frame.data is not None:
            return self._sound(frame.data)
        return self._skip("in", _read_object(line) or {})

    def _odd(self, line: bytes) -> tuple[Notification, ...]:
        """Handle a line of a recording with an unexpected shape."""
        fields = _read_object(line)
        if fields is None:
            return self._processor.process_frame(line, at=self.now)
        moment = _seconds(fields.get("t"))
        if moment is not None:
            self._set_clock(EPOCH + moment + self._advanced)
        text, data = fields.get("text"), fields.get("data")
        if fields.get("dir") == "in":
            if isinstance(text, str):
                return self._processor.process_frame(text, at=self.now)
            if isinstance(data, str):
                return self._sound(data)
        return self._skip(str(fields.get("dir", "?")), fields)

    def _skip(self, kind: str, fields: JsonObject) -> tuple[Notification, ...]:
        """Show a line without folding it, unless it is an input or the end of the current link."""
        self.skipped = SkippedLine(kind, fields)
        conn = fields.get("conn")
        if kind == "open":
            self._connected = conn
        elif kind in ("close", "drop") and conn == self._connected:
            return self._lose_link()
        elif kind == "out" and _is_input(fields.get("text")):
            return self._processor.process_event(InputSentEvent(), at=self.now)
        return ()

    def _sound(self, data: str) -> tuple[Notification, ...]:
        """Fold an audio frame; text that is not base64 is a malformed event."""
        try:
            pcm = binascii.a2b_base64(data, strict_mode=True)
        except ValueError:  # also text that is not ASCII
            return self._processor.process_frame("", at=self.now)
        return self._processor.process_audio(pcm, at=self.now)


# -- output --------------------------------------------------------------------------------


def _escape(run: re.Match[str]) -> str:
    return encode_basestring_ascii(run[0])[1:-1]


def _ascii(value: object) -> bytes:
    """Escape all non-ASCII characters in JSON text; they occur only inside strings."""
    try:
        encoded = _encode(value)
    except (ValueError, RecursionError):  # unpaired surrogates, values nested too deep
        encoded = _encode_any(asdict(value) if isinstance(value, _Streaming) else value)
    return encoded if encoded.isascii() else _BEYOND_ASCII.sub(_escape, encoded.decode()).encode()


@attrs.frozen(slots=True)
class _Token:
    """JSON text between two values."""

    text: str


def _encode_any(value: object) -> bytes:
    """Encode values that msgspec rejects: without recursion, U+FFFD for unpaired surrogates."""
    made: list[str] = []
    waiting: list[object] = [value]
    while waiting:
        item = waiting.pop()
        if isinstance(item, _Token):
            made.append(item.text)
        elif isinstance(item, dict):
            waiting += _object_tokens(cast("dict[str, object]", item))
        elif isinstance(item, (list, tuple)):
            waiting += _array_tokens(cast("list[object]", item))
        elif isinstance(item, float) and not math.isfinite(item):
            made.append("null")
        else:
            made.append(json.dumps(item, ensure_ascii=False))
    # UTF-16 joins the halves of a pair; an unpaired one becomes U+FFFD.
    units = "".join(made).encode("utf-16-le", "surrogatepass")
    return units.decode("utf-16-le", "replace").encode()


def _object_tokens(fields: dict[str, object]) -> list[object]:
    """Return the parts of an object in reverse order."""
    made: list[object] = [_Token("}")]
    for name, value in reversed(fields.items()):
        made += [value, _Token(f",{json.dumps(name, ensure_ascii=False)}:")]
    if fields:
        made[-1] = _Token(cast("_Token", made[-1]).text[1:])
    return [*made, _Token("{")]


def _array_tokens(items: Sequence[object]) -> list[object]:
    """Return the parts of an array in reverse order."""
    made: list[object] = [_Token("]")]
    for item in reversed(items):
        made += [item, _Token(",")]
    if items:
        made.pop()
    return [*made, _Token("[")]


def note_line(line: int, note: Notification) -> bytes:
    """Return a notification as a line of ``--json``: ASCII, with a line break."""
    if type(note) is MessageStreaming:
        value: object = _Streaming(
            line, note.name, note.session_id, note.message_id, note.role, note.delta
        )
    else:
        value = {"event": line, **notification_to_json(note)}
    return _ascii(value) + b"\n"


def state_line(state: SessionState) -> bytes:
    """Return the state as the last line of ``--json``."""
    return b'{"state":%b}\n' % _ascii(state_to_json(state))
