"""Frames and mappings to typed events, and back.

Two ways lead to the same event. The plain way reads JSON into Python's own containers and
structures them with cattrs, the one description of every class. The fast way (``_fast``), for
the types that make up a stream, reads the text straight into the class; what it cannot read
goes the plain way, which knows what a server may leave out or get wrong (protocol.md §2).

Frames and mappings accept and refuse the same (design.md, "Codec"). What no JSON text can say
(NaN) and what is nested deeper than ``MAX_DEPTH`` is refused in a mapping too. This is the only
module, with the converter, that handles ``Any``.
"""

from __future__ import annotations

import functools
import json
import math
import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import TYPE_CHECKING, Any, cast

import msgspec

from .._exceptions import DecodeError
from ..events import REGISTRY, AudioFrame, ClientEvent, Event, Registry, ServerEvent, UnknownEvent
from ..events._json import describe
from ._fast_decoder import DELTAS, Delta, fast_way
from ._leniency import leaving_out
from ._local_events import Malformed, Reading
from ._unicode import join_halves, valid_text

if TYPE_CHECKING:
    import cattrs

__all__ = ["MAX_DEPTH", "Codec"]

MAX_DEPTH = 256
# Text that is no longer than this has not the brackets to nest deeper.
_SHALLOW = 2 * MAX_DEPTH

# Whole strings, and brackets outside of them. No string is given up once it has begun, so the
# scan never goes back: one that does not end goes on to the end of the text.
_TOKEN = re.compile(r'"(?:[^"\\]++|\\.)*+(?:"|\\?\Z)|([\[{])|[\]}]', re.DOTALL)
_HALF = re.compile(r"\\u[dD][89a-fA-F]")

# Integers of more digits have no use; Python refuses to read and to write them.
_MAX_DIGITS = 4300
_HUGE = 10**_MAX_DIGITS
_MAX_STEP = 64  # characters of a name in the path of a refusal


def _too_deep(text: str) -> bool:
    depth = 0
    for token in _TOKEN.finditer(text):
        if token[1]:
            depth += 1
            if depth > MAX_DEPTH:
                return True
        elif token[0] in "]}":
            depth -= 1
    return False


def _no_json_constant(_name: str) -> Any:
    msg = "not JSON"
    raise ValueError(msg)


def _parse_integer(digits: str) -> int | float:
    return int(digits) if len(digits) <= _MAX_DIGITS else math.inf


_plain_json = json.JSONDecoder(parse_constant=_no_json_constant, parse_int=_parse_integer).decode


def _parse(text: str) -> Any:
    """Read JSON text that msgspec may refuse although it is JSON.

    Numbers too large for a float are left to the fields that hold them.
    """
    try:
        return msgspec.json.decode(text)
    except (msgspec.ValidationError, UnicodeEncodeError):
        pass
    except msgspec.DecodeError:
        if _HALF.search(text) is None:
            raise
    return _whole(_plain_json(text))


# --- copies -----------------------------------------------------------------------------


class _Fault(Exception):
    """What is wrong with a value; the steps to it are added on the way out, the last first."""

    def __init__(self, expected: str, got: str) -> None:
        self.expected = expected
        self.got = got
        self.steps: list[str] = []

    def refusal(self) -> DecodeError:
        """The error that names the place."""
        path = "".join(("$", *reversed(self.steps)))
        return DecodeError(None, path, self.expected, self.got)


def _no_half(text: str) -> str:
    if valid_text(text) is not text:
        raise _Fault("text", "half of a surrogate pair")
    return text


def _checked_copy(value: Any, text: Callable[[str], str] = valid_text) -> Any:
    """A deep copy of a JSON value, ``text`` called for each text and each name.

    Raises :class:`DecodeError` for what JSON text cannot say.
    """
    try:
        return _copy(value, text, 0)
    except _Fault as fault:
        raise fault.refusal() from None


def _copy(value: Any, text: Callable[[str], str], depth: int) -> Any:
    kind = type(value)  # pyright: ignore[reportUnknownVariableType]
    if kind is str:
        return text(value)
    if value is None or kind is bool:
        return value
    if kind is int:
        return value if -_HUGE < value < _HUGE else math.inf
    if kind is float:
        if math.isnan(value):
            raise _Fault("a number", "NaN")
        return value
    if depth >= MAX_DEPTH:
        raise DecodeError(None, "$", f"at most {MAX_DEPTH} levels", "more")
    if isinstance(value, Mapping):
        return _copy_mapping(cast("dict[Any, Any]", value), text, depth)
    if isinstance(value, (list, tuple)):
        return _copy_list(cast("list[Any]", value), text, depth)
    raise _Fault("a JSON value", kind.__name__)


def _copy_list(items: list[Any], text: Callable[[str], str], depth: int) -> list[Any]:
    copy: list[Any] = []
    for i, item in enumerate(items):
        try:
            copy.append(_copy(item, text, depth + 1))
        except _Fault as fault:
            fault.steps.append(f"[{i}]")
            raise
    return copy


def _copy_mapping(
    fields: Mapping[Any, Any], text: Callable[[str], str], depth: int
) -> dict[str, Any]:
    copy: dict[str, Any] = {}
    for key, inner in fields.items():
        if type(key) is not str:
            raise _Fault("names that are strings", describe(key))
        try:
            copy[text(key)] = _copy(inner, text, depth + 1)
        except _Fault as fault:
            fault.steps.append(f".{valid_text(key)[:_MAX_STEP]}")
            raise
    return copy


def _plain_value(value: Any) -> Any:
    """The plain value of one that msgspec does not know: a mapping or text of another class."""
    if isinstance(value, str):
        return str.__str__(value)
    if isinstance(value, (int, float)):
        return int(value) if isinstance(value, int) else float(value)
    return dict(value)


def _whole(raw: Any) -> Any:
    """A copy of an event's object without halves of surrogate pairs (§2 L4).

    What a delta says keeps a half: it may be the end of one whose other half comes next.
    """
    copy = _checked_copy(raw)
    if isinstance(copy, dict):
        fields = cast("dict[str, Any]", copy)
        tag: Any = fields.get("type")
        if type(tag) is str and tag in _DELTA_TYPES and type(raw.get("content")) is str:
            fields["content"] = join_halves(raw["content"])
    return cast("Any", copy)


_DELTA_TYPES = frozenset(delta.type for delta in DELTAS)


@functools.cache
def _plain_way() -> tuple[cattrs.Converter, Callable[[Exception], tuple[str, str, str]]]:
    """The converter, and what tells why it refused: imported when the first event needs them.

    A stream of deltas never does.
    """
    from ._converter import explain, make_converter

    return make_converter(), explain


class Codec:
    """Decodes what servers send and encodes what clients send; keeps nothing between calls.

    ``registry`` is read at each call, so types that are registered later are known later.
    """

    def __init__(self, registry: Registry = REGISTRY) -> None:
        self._registry = registry
        self._head, self._readers = fast_way()

    def decode_text(self, frame: str | bytes) -> ServerEvent:
        """One text frame to an event. Raises :class:`~realtime_trio.DecodeError`."""
        event = self.read(frame)
        if isinstance(event, Delta):
            return event.event()
        return event.event if isinstance(event, Reading) else event

    def read(self, frame: str | bytes) -> ServerEvent | Delta:
        """The same for the fold, which takes what stands for an event.

        That is a delta as it stands on the wire (see ``_fast``), or a
        :class:`~realtime_trio._core._local_events.Reading` where there is more to know of it.
        """
        if type(frame) is bytes and not frame.isascii():
            frame = self._utf8(frame)
        if len(frame) > _SHALLOW:
            self._check_depth(frame)
        try:
            head = self._head(frame)
            reader = self._readers.get(head.__class__)
            if reader is not None:
                return reader(frame)
        except (ValueError, RecursionError):  # the plain way says what is wrong, if anything
            return self._structure(self._read(frame))
        delta: Delta = head
        return delta

    def read_all(self, frames: Iterable[str | bytes]) -> Iterator[tuple[ServerEvent | Delta, int]]:
        """What frames say, one at a time, and the size of each: text, or bytes of raw audio.

        A frame that cannot be decoded gives :class:`Malformed`. No frame is asked for before
        the one before it was taken. The hot path: a delta is read here, without another call.
        """
        head, reader_of = self._head, self._readers.get
        for frame in frames:
            size = len(frame)
            event: Any
            if type(frame) is bytes:
                event = AudioFrame(data=frame)
            elif size > _SHALLOW:
                event = self._read_or_refuse(frame)
            else:
                try:
                    event = head(frame)
                    reader = reader_of(event.__class__)
                    if reader is not None:
                        event = reader(frame)
                except (ValueError, RecursionError):
                    event = self._read_or_refuse(frame)
            yield event, size

    def read_one(self, frame: str | bytes) -> ServerEvent | Delta:
        """What one frame says, as :meth:`read_all` gives it."""
        if type(frame) is bytes:
            return AudioFrame(data=frame)
        if len(frame) <= _SHALLOW:
            try:
                event: Any = self._head(frame)
                reader = self._readers.get(event.__class__)
                return event if reader is None else reader(frame)
            except (ValueError, RecursionError):
                pass
        return self._read_or_refuse(frame)

    def _read_or_refuse(self, frame: str | bytes) -> ServerEvent | Delta:
        try:
            return self.read(frame)
        except DecodeError as exc:
            return Malformed(event_type=exc.event_type, error=str(exc))

    def decode_mapping(self, mapping: Mapping[str, Any]) -> ServerEvent:
        """One JSON object that was read already. Raises :class:`~realtime_trio.DecodeError`."""
        event = self.read_mapping(mapping)
        return event.event if isinstance(event, Reading) else event

    def read_mapping(self, mapping: Mapping[str, Any]) -> ServerEvent:
        """The same for the fold; see :meth:`read`."""
        try:
            raw = _whole(mapping)
        except DecodeError as exc:
            tag = mapping.get("type") if hasattr(mapping, "get") else None
            known = tag if type(tag) is str and self._registry.server_row(tag) else None
            raise DecodeError(known, exc.path, exc.expected, exc.got) from None
        return self._structure(raw)

    def encode(self, event: Event) -> str:
        """An event as the JSON text of one frame.

        Half of a surrogate pair, which a delta's content may hold, is escaped as in JSON.
        """
        raw = self.to_mapping(event)
        try:
            return msgspec.json.encode(raw, enc_hook=_plain_value).decode()
        except UnicodeEncodeError:
            content = raw.pop("content", None)
            rest = msgspec.json.encode(raw, enc_hook=_plain_value).decode()
            return f'{rest[:-1]},"content":{json.dumps(content)}}}'

    def to_mapping(self, event: Event) -> dict[str, Any]:
        """An event as a JSON object. Fields that say nothing (a client's nulls) are left out."""
        if isinstance(event, UnknownEvent):
            return dict(event.payload)
        row = self._registry.row_of(type(event))
        raw = cast("dict[str, Any]", _plain_way()[0].unstructure(event))
        if isinstance(event, ClientEvent) or row.type in ("ping", "pong", "delete_chat_session"):
            raw = {name: value for name, value in raw.items() if value is not None}
        elif raw["id"] is None:
            del raw["id"]
        return {"type": row.type, **raw}

    def decode_command(self, mapping: Mapping[str, Any]) -> Event:
        """A client's event from its JSON object, as a server reads it: nothing is left out."""
        raw = _checked_copy(mapping, _no_half)
        tag = raw.get("type")
        row = self._registry.client_row(tag) if type(tag) is str else None
        if row is None:
            raise DecodeError(None, "$.type", "a client's event type", "another")
        return self._build(raw, row.type, row.cls)

    def _utf8(self, frame: bytes) -> str:
        try:
            return frame.decode()
        except UnicodeDecodeError:
            raise DecodeError(None, "$", "UTF-8", "other bytes") from None

    def _check_depth(self, frame: str | bytes) -> None:
        if type(frame) is bytes:
            openers = frame.count(b"[") + frame.count(b"{")
        else:
            openers = cast("str", frame).count("[") + cast("str", frame).count("{")
        if openers > MAX_DEPTH:
            text = frame.decode() if isinstance(frame, bytes) else frame
            if _too_deep(text):
                raise DecodeError(None, "$", f"at most {MAX_DEPTH} levels", "more")

    def _read(self, frame: str | bytes) -> Any:
        try:
            return _parse(frame.decode() if isinstance(frame, bytes) else frame)
        except (ValueError, RecursionError):
            raise DecodeError(None, "$", "a JSON object", "text that is no JSON") from None

    def _structure(self, raw: Any) -> ServerEvent:
        if not isinstance(raw, dict):
            raise DecodeError(None, "$", "object", describe(raw))
        fields = cast("dict[str, Any]", raw)
        tag = fields.get("type")
        if type(tag) is not str:
            got = describe(tag) if "type" in fields else "nothing"
            raise DecodeError(None, "$.type", "string", got)
        row = self._registry.server_row(tag)
        if row is None:
            return UnknownEvent(tag=tag, payload=fields)
        left_out: tuple[str, ...] = ()
        try:  # nearly every event has no fault: leniency costs time, and takes nothing from it
            event = cast("ServerEvent", _plain_way()[0].structure(fields, row.cls))
        except Exception:
            with leaving_out() as found:
                event = cast("ServerEvent", self._build(fields, tag, row.cls))
            left_out = tuple(found.paths)
        own = fields.get("id")
        # Only a text is an identity, and nearly every class keeps it as it is (§8 D1).
        if not left_out and (type(own) is not str or own == event.id):
            return event
        return Reading(event=event, left_out=left_out, id=own)

    def _build(self, fields: dict[str, Any], tag: str, cls: type[Event]) -> Event:
        converter, explain = _plain_way()
        try:
            return converter.structure(fields, cls)
        except Exception as exc:  # whatever a class's own validators raise is its refusal
            path, expected, got = explain(exc)
            raise DecodeError(tag, f"${path}", expected, got) from None
