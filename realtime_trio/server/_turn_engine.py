"""The turn engine: a scripted turn becomes the stream of a real server, step by step.

Everything here is a generator of *items*: a frame to send, or a :class:`Pause`. Nothing
knows a clock; who drives a generator decides when it goes on. A cancel is a flag that the
generators look at after each pause, so a turn ends the way a real runtime ends: where it
stands, with its tools finished.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from random import Random
from typing import cast

import attrs

from ._catalog import Agent
from ._ids import IdGenerator
from ._turn_script import WireFrame
from ._wire_events import SessionEvents

__all__ = [
    "Item",
    "Items",
    "Pause",
    "TurnRun",
    "completion_options",
    "dump_json",
    "interleave",
    "replace_strings",
    "split_deltas",
    "substitute_ids",
    "system_prompt",
]

_PROMPT = "You are an agent of an embedded server and say what a script tells you. "


@attrs.frozen(slots=True)
class Pause:
    """Go on after ``seconds``; a ``firm`` one (a tool at work) is not cut short by a cancel."""

    seconds: float
    shielded: bool = False


Item = WireFrame | Pause
Items = Iterator[Item]


@attrs.define(slots=True, kw_only=True)
class TurnRun:
    """What the generators of one running turn share with each other and with the brain."""

    ids: IdGenerator
    rng: Random
    pace: float
    delta_sizes: tuple[int, int]
    user_id: str
    find_agent: Callable[[str], Agent | None]
    encode_audio: Callable[[bytes, SessionEvents], WireFrame | None]
    cancelled: bool = False
    late_deltas: int = 0
    remaining_deltas: int = 0
    """How many deltas the user's own session could still send at this point."""


def split_deltas(run: TurnRun, text: str) -> tuple[str, ...]:
    """Cut ``text`` into deltas of the run's seeded sizes."""
    pieces: list[str] = []
    place = 0
    while place < len(text):
        size = run.rng.randint(*run.delta_sizes)
        pieces.append(text[place : place + size])
        place += size
    return tuple(pieces)


def substitute_ids(frame: WireFrame, events: SessionEvents) -> WireFrame:
    """Put the ids of the running session where a scripted event asks for them."""
    if not isinstance(frame, Mapping):
        return frame
    known = {"$session": events.session_id, "$user_session": events.user_session_id}
    return {key: replace_strings(value, known) for key, value in frame.items()}


def replace_strings(value: object, known: Mapping[str, str]) -> object:
    """A JSON value in which every string that is known stands for another."""
    if isinstance(value, str):
        return known.get(value, value)
    if isinstance(value, Mapping):
        fields = cast("Mapping[str, object]", value)
        return {key: replace_strings(item, known) for key, item in fields.items()}
    if isinstance(value, (list, tuple)):
        return [replace_strings(item, known) for item in cast("Sequence[object]", value)]
    return value


def interleave(streams: Sequence[Items]) -> Items:
    """Run several generators at once: each keeps its own pace, ties take turns."""
    queue = [(0.0, order, False, stream) for order, stream in enumerate(streams)]
    now, order = 0.0, len(queue)
    while queue:
        queue.sort(key=lambda entry: entry[:2])
        due, _, shielded, stream = queue.pop(0)
        if due > now:
            yield Pause(due - now, shielded)
            now = due
        for item in stream:
            if isinstance(item, Pause):
                order += 1
                queue.append((now + item.seconds, order, item.shielded, stream))
                break
            yield item


def completion_options(agent: Agent, user_id: str) -> dict[str, object]:
    """The ``completion_options`` that a running completion shows."""
    if agent.vendor == "openai":
        return {
            "model": agent.model_id,
            "temperature": 1,
            "stream": True,
            "stream_options": {"include_usage": True},
            "tools": [{"type": "function", "function": _think_tool("parameters")}],
            "tool_choice": "auto",
        }
    return {
        "model": agent.model_id,
        "system": _PROMPT + agent.persona,
        "max_tokens": 64000,
        "temperature": 1,
        "betas": ["interleaved-thinking-2025-05-14"],
        "context_management": {"edits": []},
        "tools": [_think_tool("input_schema")],
        "metadata": {"user_id": user_id},
    }


def _think_tool(schema_key: str) -> dict[str, object]:
    schema = {"type": "object", "properties": {"thought": {"type": "string"}}}
    return {"name": "think", "description": "Think about something.", schema_key: schema}


def system_prompt(agent: Agent) -> str:
    """The system prompt of ``agent``."""
    return _PROMPT + agent.persona


def dump_json(value: Mapping[str, object]) -> str:
    """JSON text as models write it."""
    return json.dumps(value, ensure_ascii=False)
