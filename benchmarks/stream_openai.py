"""The mixed stream in another vocabulary: the events of OpenAI's realtime interface. It has the
same number and mix of events as :mod:`.stream`: deltas of text, a few of tool arguments, and the
events around them. For peers that only read this vocabulary.
"""

from __future__ import annotations

import random
from collections.abc import Iterator
from typing import Any

from .stream import EVENTS_A_TURN, encode, say

__all__ = ["openai_stream"]

Json = dict[str, Any]

_TOOLS, _REST = 11, 11


def _delta(rng: random.Random, at: Json) -> Json:
    said = say(rng, rng.randint(4, 9))
    return {"type": "response.output_text.delta", **at, "content_index": 0, "delta": said}


def _response(turn: int, status: str) -> Json:
    return {
        "type": "response.created" if status == "in_progress" else "response.done",
        "response": {
            "object": "realtime.response",
            "id": f"resp_{turn:021}",
            "status": status,
            "status_details": None,
            "output": [],
            "usage": None,
            "metadata": None,
        },
    }


def _item(turn: int, rng: random.Random) -> Json:
    content = [{"type": "input_text", "text": say(rng, 9)}]
    item = {"id": f"item_{turn:021}", "object": "realtime.item", "type": "message"}
    return {
        "type": "conversation.item.added",
        "previous_item_id": None,
        "item": {**item, "status": "completed", "role": "user", "content": content},
    }


def _turn(rng: random.Random, turn: int) -> Iterator[Json]:
    at = {"response_id": f"resp_{turn:021}", "item_id": f"item_{turn:021}", "output_index": 0}
    yield _response(turn, "in_progress")
    for _ in range(_REST - 2):
        yield _item(turn, rng)
    for _ in range(_TOOLS):
        call = {"call_id": f"call_{turn:016}", "delta": '{"query": "entanglement", "limit": 5}'}
        yield {"type": "response.function_call_arguments.delta", **at, **call}
    for _ in range(EVENTS_A_TURN - _TOOLS - _REST):
        yield _delta(rng, at)
    yield _response(turn, "completed")


def openai_stream(turns: int, seed: int = 1) -> list[bytes]:
    """Return the frames of so many turns."""
    rng = random.Random(seed)
    events = (event for turn in range(turns) for event in _turn(rng, turn))
    return [
        encode({"type": event.pop("type"), "event_id": f"event_{number:021}", **event})
        for number, event in enumerate(events)
    ]
