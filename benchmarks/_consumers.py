"""The usual alternative: an asyncio loop over a websocket, with a dict of handlers. It has no
lanes, no reconnects, and no state but the text and a few counters: the minimum that an application
does with typed events. Two variants parse JSON differently.
"""

from __future__ import annotations

import asyncio
import functools
import json
import operator
import time
from collections.abc import Callable, Mapping
from typing import Any, Literal, cast

import attrs
import msgspec
from pydantic import BaseModel
from websockets.asyncio.client import connect

__all__ = ["Application", "Reader", "by_hand", "msgspec_reader", "pydantic_reader"]

# The fields of the events of the mixed stream; optional ones may be null or missing.
_BASE: dict[str, Any] = {
    "session_id": str,
    "role": str,
    "parent_session_id": str | None,
    "user_session_id": str | None,
}
_TEXT: dict[str, Any] = {**_BASE, "content": str, "format": str}
_FIELDS: dict[str, dict[str, Any]] = {
    "text_delta": _TEXT,
    "thought_delta": _TEXT,
    "complete_thought": _TEXT,
    "system_prompt": _TEXT,
    "tool_select_delta": {**_BASE, "tool_calls": list[dict[str, Any]]},
    "tool_call": {
        **_BASE,
        "active": bool,
        "vendor": str | None,
        "tool_calls": list[dict[str, Any]],
        "tool_results": list[dict[str, Any]] | None,
    },
    "completion": {
        **_BASE,
        "running": bool,
        "completion_options": dict[str, Any],
        "stop_reason": str | None,
        "input_tokens": int | None,
        "output_tokens": int | None,
    },
    "interaction": {**_BASE, "started": bool, "id": str},
    "anthropic_user_message": {**_BASE, "vendor": str, "message": dict[str, Any]},
    "history_delta": {**_BASE, "vendor": str | None, "messages": list[dict[str, Any]]},
    "chat_session_added": {"chat_session": dict[str, Any]},
    "user_turn_start": {},
    "user_turn_end": {},
}


@attrs.frozen(slots=True)
class Reader:
    """Decodes a frame to a typed event; has the classes of events by type."""

    read: Callable[[str], Any]
    classes: Mapping[str, type]


def pydantic_reader() -> Reader:
    """Parse with ``json.loads``, then validate with the model of the type."""
    models: dict[str, type[BaseModel]] = {
        tag: type(
            tag, (BaseModel,), {"__annotations__": {"type": Literal[tag], **fields}, "type": tag}
        )
        for tag, fields in _FIELDS.items()
    }

    def read(frame: str) -> Any:
        data = json.loads(frame)
        return models[data["type"]].model_validate(data)

    return Reader(read, models)


def msgspec_reader() -> Reader:
    """Decode with one tagged union of structs: the fastest hand-written way."""
    structs = {
        tag: msgspec.defstruct(tag, list(fields.items()), tag=tag)
        for tag, fields in _FIELDS.items()
    }
    union: Any = functools.reduce(operator.or_, structs.values())
    return Reader(msgspec.json.Decoder(union).decode, structs)


class Application:
    """Keeps the text so far, and counts all other events."""

    def __init__(self, classes: Mapping[str, type]) -> None:
        self.text: list[str] = []
        self.counts: dict[type, int] = {}
        self.handlers: Mapping[type, Callable[[Any], None]] = {
            **dict.fromkeys(classes.values(), self._count),
            classes["text_delta"]: self._delta,
        }

    def _delta(self, event: Any) -> None:
        self.text.append(event.content)

    def _count(self, event: Any) -> None:
        self.counts[type(event)] = self.counts.get(type(event), 0) + 1


async def _consume(url: str, messages: int, reader: Reader) -> float:
    """Return the seconds from requesting the flood until its last event was handled."""
    read, handlers = reader.read, Application(reader.classes).handlers
    async with connect(url, ping_interval=None, compression=None) as socket:
        began = time.process_time()
        await socket.send('{"type":"get_agents"}')
        async for frame in socket:
            event = read(cast("str", frame))
            handlers[type(event)](event)
            messages -= 1
            if not messages:
                break
        return time.process_time() - began


def by_hand(url: str, messages: int, reader: Reader) -> Callable[[], float]:
    """Return a consumer as a subject to time. ``url`` is the full URL to dial."""
    return lambda: asyncio.run(_consume(url, messages, reader))
