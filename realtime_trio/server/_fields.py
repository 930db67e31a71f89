"""Reading a client's event: what it must have, checked once, before anything acts on it."""

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
    "strings",
    "text",
    "text_or_none",
]


class BadJson(Exception):
    """A text frame that is no JSON at all."""


class BadCommand(Exception):
    """A command that cannot be carried out; ``source`` is what the ``error`` names."""

    def __init__(self, message: str, source: str | None = None) -> None:
        super().__init__(message)
        self.message = message
        self.source = source


def decode_event(frame: str) -> Event:
    """Read one text frame as an event with a type."""
    try:
        value: object = json.loads(frame)
    except (ValueError, RecursionError) as exc:
        raise BadJson from exc
    if not isinstance(value, dict):
        raise BadCommand("Error processing event: expected an object.")
    event = cast("Event", value)
    if not isinstance(event.get("type"), str):
        raise BadCommand("Error processing event: expected a type.")
    return event


def text(event: Event, key: str) -> str:
    """A required string."""
    value = event.get(key)
    if not isinstance(value, str):
        raise _field_error(event, key, "a string")
    return value


def text_or_none(event: Event, key: str) -> str | None:
    """A string that may be absent or null."""
    return None if event.get(key) is None else text(event, key)


def integer(event: Event, key: str, default: int) -> int:
    """A number that is not negative and may be absent or null."""
    value = event.get(key)
    if value is None:
        return default
    if not isinstance(value, int) or isinstance(value, bool) or value < 0:
        raise _field_error(event, key, "a number from 0")
    return value


def strings(event: Event, key: str) -> list[str]:
    """A list of strings that may be absent or null."""
    value = event.get(key)
    items = cast("list[object]", value) if isinstance(value, list) else []
    found = [item for item in items if isinstance(item, str)]
    if (value is not None and not isinstance(value, list)) or len(found) != len(items):
        raise _field_error(event, key, "a list of strings")
    return found


def mapping(value: object, event: Event, key: str) -> dict[str, object]:
    """A JSON object."""
    if not isinstance(value, Mapping):
        raise _field_error(event, key, "an object")
    return dict(cast("Mapping[str, object]", value))


def _field_error(event: Event, key: str, expected: str) -> BadCommand:
    message = f"Error processing event: {event['type']} needs {expected} as {key}."
    return BadCommand(message)
