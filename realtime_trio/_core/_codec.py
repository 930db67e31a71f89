"""Frames and mappings to typed events, and back.

Two ways lead to the same event. The plain way reads JSON into Python's own containers and
structures them with cattrs, the one description of every class. The fast way (``_fast``), for
the types that make up a stream, reads the text straight into the class; what it cannot read
goes the plain way.

Frames and mappings accept and refuse the same (design.md, "Codec"). What JSON text can say
and a frame cannot (NaN, half of a surrogate pair, nesting deeper than ``MAX_DEPTH``) is
refused in a mapping too. This is the only module, with the converter, that handles ``Any``.
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
from ._fast import Delta, fast_way
from ._local import Malformed

if TYPE_CHECKING:
    import cattrs

__all__ = ["MAX_DEPTH", "Codec"]

MAX_DEPTH = 256
# Text that is no longer than this has not the brackets to nest deeper.
_SHALLOW = 2 * MAX_DEPTH

_TOKEN = re.compile(r'"(?:[^"\\]|\\.)*"|([\[{])|[\]}]', re.DOTALL)


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


def _parse(text: str) -> Any:
    """Read JSON text. Numbers too large for a float are left to the fields that hold them."""
    try:
        return msgspec.json.decode(text)
    except msgspec.ValidationError:
        return json.loads(text, parse_constant=_no_json_constant)


def _checked_copy(value: Any) -> Any:
    """A deep copy of a mapping that holds nothing which JSON text cannot say."""
    return _copy(value, "$", 0)


def _copy(value: Any, path: str, depth: int) -> Any:
    kind = type(value)  # pyright: ignore[reportUnknownVariableType]
    if kind is str:
        if not value.isascii():
            _check_unicode(value, path)
        return value
    if value is None or kind is bool or kind is int:
        return value
    if kind is float:
        if math.isnan(value):
            raise DecodeError(None, path, "a number", "NaN")
        return value
    if depth >= MAX_DEPTH:
        raise DecodeError(None, "$", f"at most {MAX_DEPTH} levels", "more")
    if isinstance(value, Mapping):
        return _copy_mapping(cast("dict[Any, Any]", value), path, depth)
    if isinstance(value, (list, tuple)):
        items = cast("list[Any]", value)
        return [_copy(item, f"{path}[{i}]", depth + 1) for i, item in enumerate(items)]
    raise DecodeError(None, path, "a JSON value", kind.__name__)


def _copy_mapping(value: Mapping[Any, Any], path: str, depth: int) -> dict[str, Any]:
    copy: dict[str, Any] = {}
    for key, inner in value.items():
        if type(key) is not str:
            raise DecodeError(None, path, "names that are strings", describe(key))
        if not key.isascii():
            _check_unicode(key, path)
        copy[key] = _copy(inner, f"{path}.{key}", depth + 1)
    return copy


def _check_unicode(value: str, path: str) -> None:
    try:
        value.encode()
    except UnicodeEncodeError:
        raise DecodeError(None, path, "text", "half of a surrogate pair") from None


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
        return event.event() if isinstance(event, Delta) else event

    def read(self, frame: str | bytes) -> ServerEvent | Delta:
        """The same for the fold, which takes a delta as it stands on the wire (see ``_fast``)."""
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
            if frame.__class__ is bytes:
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

    def _read_or_refuse(self, frame: str | bytes) -> ServerEvent | Delta:
        try:
            return self.read(frame)
        except DecodeError as exc:
            return Malformed(event_type=exc.event_type, error=str(exc))

    def decode_mapping(self, mapping: Mapping[str, Any]) -> ServerEvent:
        """One JSON object that was read already. Raises :class:`~realtime_trio.DecodeError`."""
        try:
            raw = _checked_copy(mapping)
        except DecodeError as exc:
            tag = mapping.get("type") if hasattr(mapping, "get") else None
            known = tag if type(tag) is str and self._registry.server_row(tag) else None
            raise DecodeError(known, exc.path, exc.expected, exc.got) from None
        return self._structure(raw)

    def encode(self, event: Event) -> str:
        """An event as the JSON text of one frame."""
        return msgspec.json.encode(self.to_mapping(event)).decode()

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
        """A client's event from its JSON object, as a server reads it."""
        raw = _checked_copy(mapping)
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
        except UnicodeEncodeError:
            raise DecodeError(None, "$", "text", "half of a surrogate pair") from None
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
        return cast("ServerEvent", self._build(fields, tag, row.cls))

    def _build(self, fields: dict[str, Any], tag: str, cls: type[Event]) -> Event:
        converter, explain = _plain_way()
        try:
            return converter.structure(fields, cls)
        except Exception as exc:  # whatever a class's own validators raise is its refusal
            raise DecodeError(tag, *explain(exc)) from None
