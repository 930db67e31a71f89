"""The turn engine turns a scripted turn into the event stream of a real server.

Everything here is a generator of *items*: a frame to send, or a :class:`Pause`. No generator
reads a clock; its driver decides when it continues. A cancel is a flag that the generators
check after each pause. A cancelled turn therefore ends as a real runtime ends it: wherever
it is, once its tools have finished.
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
    """Continue after ``seconds``; a cancel does not cut a ``shielded`` pause (a running tool)."""

    seconds: float
    shielded: bool = False


Item = WireFrame | Pause
Items = Iterator[Item]


@attrs.define(slots=True, kw_only=True)
class TurnRun:
    """State that the generators of one running turn share with the scheduler."""

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
    """Deltas that the user's own session could still send at this point."""


def split_deltas(run: TurnRun, text: str) -> tuple[str, ...]:
    """Cut ``text`` into deltas of the run's seeded sizes."""
    pieces: list[str] = []
    position = 0
    while position < len(text):
        size = run.rng.randint(*run.delta_sizes)
        pieces.append(text[position : position + size])
        position += size
    return tuple(pieces)


def substitute_ids(frame: WireFrame, events: SessionEvents) -> WireFrame:
    """Replace the placeholders in a scripted event by the ids of the running session."""
    if not isinstance(frame, Mapping):
        return frame
    replacements = {"$session": events.session_id, "$user_session": events.user_session_id}
    return {key: replace_strings(value, replacements) for key, value in frame.items()}


def replace_strings(value: object, replacements: Mapping[str, str]) -> object:
    """Return a JSON value with every string in ``known`` replaced."""
    if isinstance(value, str):
        return replacements.get(value, value)
    if isinstance(value, Mapping):
        fields = cast("Mapping[str, object]", value)
        return {key: replace_strings(item, replacements) for key, item in fields.items()}
    if isinstance(value, (list, tuple)):
        return [replace_strings(item, replacements) for item in cast("Sequence[object]", value)]
    return value


def interleave(streams: Sequence[Items]) -> Items:
    """Run several generators at once: each keeps its own pace, and ties alternate."""
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
    """Return the ``completion_options`` of a running completion."""
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
    """Return the system prompt of ``agent``."""
    return _PROMPT + agent.persona


def dump_json(value: Mapping[str, object]) -> str:
    """Return JSON text as models write it."""
    return json.dumps(value, ensure_ascii=False)
