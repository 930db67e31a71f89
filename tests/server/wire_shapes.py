"""Reduce wire events to their shape: order, fields, nulls, and their session."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import attrs

Event = dict[str, Any]

_TELLING = ("role", "running", "active", "started", "stop_reason", "severity", "format", "vendor")
_IDS = ("session_id", "parent_session_id", "user_session_id")
_NESTED = ("chat_session", "user", "agent_config", "sessions", "voice", "meta")


@attrs.frozen
class Recorded:
    """One line of a recording."""

    connection: str
    direction: str
    event: Event | None
    line: Event


def read(path: Path) -> list[Recorded]:
    """Read a recording; ``event`` is ``None`` for a line without an event."""
    found = []
    for text in path.read_text().splitlines():
        line = json.loads(text)
        try:
            event = json.loads(line["text"])
        except (KeyError, ValueError):
            event = None
        found.append(Recorded(line["conn"], line["dir"], event, line))
    return found


def answers(lines: Iterable[Recorded]) -> list[tuple[Event | None, list[Event]]]:
    """Group each event of the client with the server's events up to the next one."""
    groups: list[tuple[Event | None, list[Event]]] = [(None, [])]
    for line in lines:
        if line.direction == "in" and line.event is not None:
            groups[-1][1].append(line.event)
        elif line.direction in ("out", "open"):
            groups.append((line.event, []))
    return groups


def shapes(events: Iterable[Event]) -> list[object]:
    """Return the shape of each event; adjacent deltas of one session count as one."""
    names: dict[str, str] = {}
    found: list[object] = []
    for event in events:
        shape = _shape(event, names)
        if not (event["type"].endswith("_delta") and found and found[-1] == shape):
            found.append(shape)
    return found


def types(events: Iterable[Event]) -> list[str]:
    """Return the types in order; adjacent equal deltas count as one."""
    found: list[str] = []
    for event in events:
        if not (event["type"].endswith("_delta") and found and found[-1] == event["type"]):
            found.append(event["type"])
    return found


def _shape(event: Event, names: dict[str, str]) -> object:
    facts: dict[str, object] = {"type": event["type"], "fields": _fields(event)}
    facts["telling"] = {key: event[key] for key in _TELLING if key in event}
    if event["type"] != "chat_session_changed":
        for key in _IDS:
            if event.get(key) is not None:
                facts[key] = names.setdefault(event[key], f"session {len(names)}")
    for key in _NESTED:
        if isinstance(event.get(key), dict) and key != "meta":
            facts[key] = _fields(event[key])
    if event["type"] == "completion":
        facts["options"] = list(event["completion_options"])
    for key in ("tool_calls", "tool_results", "messages"):
        if isinstance(event.get(key), list):
            facts[key] = [_item(item) for item in event[key]]
    return facts


def _fields(record: Mapping[str, Any]) -> list[tuple[str, bool]]:
    return [(key, value is None) for key, value in record.items()]


def _item(item: Event) -> object:
    facts = {key: type(value).__name__ for key, value in item.items()}
    if isinstance(item.get("content"), list):
        return {**facts, "content": [list(block) for block in item["content"]]}
    return facts
