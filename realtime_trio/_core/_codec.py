"""Convert frames and mappings to typed events and back.

There are two decoders with the same result. The converter parses JSON into built-in containers and
structures them with cattrs, the single description of every class. The fast decoder
(``_fast_decoder``) parses the text of a built-in type directly into a struct with its fields.
Whatever it rejects goes to the converter, which knows what a server may omit or get wrong
(protocol.md §2).

Frames and mappings follow the same rules (design.md, "Codec"). A mapping with a value that JSON
cannot express (NaN) is rejected too. A value that is nested too deep costs only its own field (see
``_depth``). Only this module and the converter handle ``Any``.
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
from ..events._json import Mismatch, describe
from ._depth import LEVELS, MAX_DEPTH, is_shallow, shallow, shallow_text
from ._fast_decoder import DELTAS, Delta, fast_decoders
from ._leniency import lenient_decoding
from ._local_events import Malformed, Reading
from ._unicode import join_surrogates, valid_text

if TYPE_CHECKING:
    import cattrs

__all__ = ["Codec"]

# Shorter text cannot contain enough brackets to nest deeper.
_SHALLOW = 2 * MAX_DEPTH

_SURROGATE_ESCAPE = re.compile(r"\\u[dD][89a-fA-F]")

# Python refuses to parse or format integers with more digits.
_MAX_DIGITS = 4300
_HUGE = 10**_MAX_DIGITS
_MAX_STEP = 64  # characters of one name in an error path


def _no_json_constant(_name: str) -> Any:
    message = "not JSON"
    raise ValueError(message)


def _parse_integer(digits: str) -> int | float:
    return int(digits) if len(digits) <= _MAX_DIGITS else math.inf


_plain_json = json.JSONDecoder(parse_constant=_no_json_constant, parse_int=_parse_integer).decode


def _parse(text: str) -> Any:
    """Parse JSON text that msgspec may reject although it is valid.

    A number too large for a float is judged by the field that holds it.
    """
    try:
        return msgspec.json.decode(text)
    except (msgspec.ValidationError, UnicodeEncodeError):
        pass
    except msgspec.DecodeError:
        if _SURROGATE_ESCAPE.search(text) is None:
            raise
    return _without_surrogates(_plain_json(text))


# -- copies --------------------------------------------------------------------------------


class _Fault(Exception):
    """A fault in a value. Path steps are added while it propagates, innermost first."""

    def __init__(self, expected: str, got: str) -> None:
        self.expected = expected
        self.got = got
        self.steps: list[str] = []

    def error(self) -> DecodeError:
        """Return the error with the path of the fault."""
        path = "".join(("$", *reversed(self.steps)))
        return DecodeError(None, path, self.expected, self.got)


def _reject_surrogates(text: str) -> str:
    if valid_text(text) is not text:
        raise _Fault("text", "half of a surrogate pair")
    return text


def _checked_copy(value: Any, text: Callable[[str], str] = valid_text) -> Any:
    """Return a deep copy of a JSON value, with ``text`` applied to each string and name.

    Raises :class:`DecodeError` for a value that JSON cannot express.
    """
    try:
        return _copy(value, text, 0)
    except _Fault as fault:
        raise fault.error() from None


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
        raise DecodeError(None, "$", LEVELS, "more")
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
    """Convert a mapping or string of a class that msgspec does not know."""
    if isinstance(value, str):
        return str.__str__(value)
    if isinstance(value, (int, float)):
        return int(value) if isinstance(value, int) else float(value)
    return dict(value)


def _without_surrogates(raw: Any) -> Any:
    """Return a copy of an event's object without unpaired surrogates (§2 L4).

    The content of a delta keeps an unpaired surrogate: the next delta may hold the other half.
    """
    copy = _checked_copy(raw)
    if isinstance(copy, dict):
        fields = cast("dict[str, Any]", copy)
        tag: Any = fields.get("type")
        if type(tag) is str and tag in _DELTA_TYPES and type(raw.get("content")) is str:
            fields["content"] = join_surrogates(raw["content"])
    return cast("Any", copy)


_DELTA_TYPES = frozenset(delta.type for delta in DELTAS)


@functools.cache
def _load_converter() -> tuple[cattrs.Converter, Callable[[Exception], tuple[str, str, str]]]:
    """Return the converter and ``explain``, imported when an event first needs them.

    A server that sends whole events of built-in types never needs them.
    """
    from ._converter import explain, make_converter

    return make_converter(), explain


class Codec:
    """Decodes server events and encodes client events. It is stateless.

    Each call reads ``registry``, so types can be registered later.
    """

    def __init__(self, registry: Registry = REGISTRY) -> None:
        self._registry = registry
        self._decode, self._readers = fast_decoders()

    def decode_text(self, frame: str | bytes) -> ServerEvent:
        """Decode one text frame. Raises :class:`~realtime_trio.DecodeError`."""
        event = self.read(frame)
        if isinstance(event, Delta):
            return event.event()
        return event.event if isinstance(event, Reading) else event

    def read(self, frame: str | bytes) -> ServerEvent | Delta:
        """Decode one text frame for the fold.

        The result may be a delta in its wire form (see ``_fast_decoder``), or a
        :class:`~realtime_trio._core._local_events.Reading` if parts of the event were skipped.
        """
        cut = False
        if isinstance(frame, bytes) and not frame.isascii():
            frame = self._utf8(frame)
        if len(frame) > _SHALLOW:
            within = self._within_depth(frame)
            cut, frame = within is not frame, within
        try:
            event: Any = self._decode(frame)
            reader = self._readers.get(event.__class__)
            return event if reader is None else reader(event)
        except (ValueError, RecursionError):  # the converter reports the fault, if there is one
            return self._structure(self._read(frame), cut=cut)

    def read_all(self, frames: Iterable[str | bytes]) -> Iterator[tuple[ServerEvent | Delta, int]]:
        """Decode frames lazily and yield each event with its frame's size in characters or bytes.

        A frame that cannot be decoded yields :class:`Malformed`. The next frame is read only after
        the previous event was consumed. This is the hot path, so deltas are decoded inline.
        """
        decode, reader_of = self._decode, self._readers.get
        for frame in frames:
            size = len(frame)
            event: Any
            if type(frame) is bytes:
                event = AudioFrame(data=frame)
            elif size > _SHALLOW:
                event = self._read_or_refuse(frame)
            else:
                try:
                    event = decode(frame)
                    reader = reader_of(event.__class__)
                    if reader is not None:
                        event = reader(event)
                except (ValueError, RecursionError):
                    event = self._read_or_refuse(frame)
            yield event, size

    def read_one(self, frame: str | bytes) -> ServerEvent | Delta:
        """Decode one frame as :meth:`read_all` does."""
        if type(frame) is bytes:
            return AudioFrame(data=frame)
        if len(frame) <= _SHALLOW:
            try:
                event: Any = self._decode(frame)
                reader = self._readers.get(event.__class__)
                return event if reader is None else reader(event)
            except (ValueError, RecursionError):
                pass
        return self._read_or_refuse(frame)

    def _read_or_refuse(self, frame: str | bytes) -> ServerEvent | Delta:
        try:
            return self.read(frame)
        except DecodeError as exc:
            return Malformed(event_type=exc.event_type, error=str(exc))

    def decode_mapping(self, mapping: Mapping[str, Any]) -> ServerEvent:
        """Decode one parsed JSON object. Raises :class:`~realtime_trio.DecodeError`."""
        event = self.read_mapping(mapping)
        return event.event if isinstance(event, Reading) else event

    def read_mapping(self, mapping: Mapping[str, Any]) -> ServerEvent:
        """Decode one parsed JSON object for the fold; see :meth:`read`."""
        cut = False
        try:
            try:
                raw = _without_surrogates(mapping)
            except DecodeError as exc:
                if exc.expected != LEVELS:
                    raise
                raw, cut = _without_surrogates(shallow(mapping)), True
        except DecodeError as exc:
            tag = mapping.get("type") if hasattr(mapping, "get") else None
            known = tag if type(tag) is str and self._registry.server_row(tag) else None
            raise DecodeError(known, exc.path, exc.expected, exc.got) from None
        return self._structure(raw, cut=cut)

    def encode(self, event: Event) -> str:
        """Encode an event as the JSON text of one frame.

        An unpaired surrogate, which a delta's content may hold, is written as a JSON escape.
        """
        raw = self.to_mapping(event)
        try:
            return msgspec.json.encode(raw, enc_hook=_plain_value).decode()
        except UnicodeEncodeError:
            content = raw.pop("content", None)
            rest = msgspec.json.encode(raw, enc_hook=_plain_value).decode()
            return f'{rest[:-1]},"content":{json.dumps(content)}}}'

    def to_mapping(self, event: Event) -> dict[str, Any]:
        """Convert an event to a JSON object. A client event's null fields are omitted."""
        if isinstance(event, UnknownEvent):
            return dict(event.payload)
        row = self._registry.row_of(type(event))
        raw = cast("dict[str, Any]", _load_converter()[0].unstructure(event))
        if isinstance(event, ClientEvent) or row.type in ("ping", "pong", "delete_chat_session"):
            raw = {name: value for name, value in raw.items() if value is not None}
        elif raw["id"] is None:
            del raw["id"]
        return {"type": row.type, **raw}

    def decode_command(self, mapping: Mapping[str, Any]) -> Event:
        """Decode a client event from its JSON object, strictly, as a server reads it."""
        raw = _checked_copy(mapping, _reject_surrogates)
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

    def _within_depth(self, frame: str | bytes) -> str | bytes:
        if is_shallow(frame):
            return frame
        text = frame.decode() if isinstance(frame, bytes) else frame
        within = shallow_text(text)
        return frame if within is text else within

    def _read(self, frame: str | bytes) -> Any:
        try:
            return _parse(frame.decode() if isinstance(frame, bytes) else frame)
        except (ValueError, RecursionError):
            raise DecodeError(None, "$", "a JSON object", "text that is not JSON") from None

    def _structure(self, raw: Any, *, cut: bool = False) -> ServerEvent:
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
        skipped: tuple[str, ...] = ()
        try:  # Nearly every event is valid, so leniency, which costs time, comes second.
            if cut:
                raise Mismatch(LEVELS, "more")
            event = cast("ServerEvent", _load_converter()[0].structure(fields, row.cls))
        except Exception:
            with lenient_decoding(cut=cut) as found:
                event = cast("ServerEvent", self._build(fields, tag, row.cls))
            skipped = tuple(found.paths)
        own = fields.get("id")
        # Only a string is an id, and nearly every class keeps it unchanged (§8 D1).
        if not skipped and (type(own) is not str or own == event.id):
            return event
        return Reading(event=event, skipped=skipped, id=own)

    def _build(self, fields: dict[str, Any], tag: str, cls: type[Event]) -> Event:
        converter, explain = _load_converter()
        try:
            return converter.structure(fields, cls)
        except Exception as exc:  # any error of a class's validators counts as a rejection
            path, expected, got = explain(exc)
            raise DecodeError(tag, f"${path}", expected, got) from None
