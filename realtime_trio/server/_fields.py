"""Decode a client's event and check its fields before anything acts on them."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import cast

from ._wire_events import Event

__all__ = [
    "BadCommand",
    "BadJson",
    "decode_event",
    "integer",
    "mapping",
    "pcm16",
    "strings",
    "text",
    "text_or_none",
]


_MAX_DEPTH = 100
"""Maximum number of levels of a client's event."""


class BadJson(Exception):
    """A text frame that is not JSON."""


class BadCommand(Exception):
    """A command that cannot be carried out; ``source`` goes into the ``error`` event."""

    def __init__(self, message: str, source: str | None = None) -> None:
        super().__init__(message)
        self.message = message
        self.source = source


def decode_event(frame: str) -> Event:
    """Decode one text frame as an event that has a type."""
    try:
        value: object = json.loads(frame)
    except (ValueError, RecursionError) as exc:
        raise BadJson from exc
    if not isinstance(value, dict):
        message = "Error processing event: the frame must be a JSON object."
        raise BadCommand(message)
    event = cast("Event", value)
    if not _is_shallow(event):
        message = f"Error processing event: the frame is nested more than {_MAX_DEPTH} levels deep."
        raise BadCommand(message)
    if not isinstance(event.get("type"), str):
        message = "Error processing event: the event must have a type."
        raise BadCommand(message)
    return event


def _is_shallow(event: Event) -> bool:
    """Return whether a value can be sent again: encoding recurses, level by level."""
    level: list[object] = [event]
    for _ in range(_MAX_DEPTH):
        inner: list[object] = []
        for item in level:
            if isinstance(item, dict):
                inner.extend(cast("Event", item).values())
            elif isinstance(item, list):
                inner.extend(cast("list[object]", item))
        if not inner:
            return True
        level = inner
    return False


def text(event: Event, key: str) -> str:
    """Return a required string."""
    value = event.get(key)
    if not isinstance(value, str):
        raise _field_error(event, key, "a string")
    return value


def text_or_none(event: Event, key: str) -> str | None:
    """Return a string that may be absent or null."""
    return None if event.get(key) is None else text(event, key)


def integer(event: Event, key: str, default: int) -> int:
    """Return a non-negative integer that may be absent or null."""
    value = event.get(key)
    if value is None:
        return default
    if not isinstance(value, int) or isinstance(value, bool) or value < 0:
        raise _field_error(event, key, "a non-negative integer")
    return value


def strings(event: Event, key: str) -> list[str]:
    """Return a list of strings that may be absent or null."""
    value = event.get(key)
    items = cast("list[object]", value) if isinstance(value, list) else []
    found = [item for item in items if isinstance(item, str)]
    if (value is not None and not isinstance(value, list)) or len(found) != len(items):
        raise _field_error(event, key, "a list of strings")
    return found


def mapping(value: object, event: Event, key: str) -> dict[str, object]:
    """Check that ``value`` is a JSON object."""
    if not isinstance(value, Mapping):
        raise _field_error(event, key, "an object")
    return dict(cast("Mapping[str, object]", value))


def pcm16(data: bytes) -> bytes:
    """Check that audio consists of whole samples."""
    if len(data) % 2:
        message = f"Error processing audio: {len(data)} bytes are not whole 16-bit samples."
        raise BadCommand(message)
    return data


def _field_error(event: Event, key: str, expected: str) -> BadCommand:
    message = f"Error processing event: {key} of {event['type']} must be {expected}."
    return BadCommand(message)
