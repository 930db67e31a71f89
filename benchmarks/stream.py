"""The mixed stream: what an agent's server sends, made from a seed.

Turns of 222 events: 189 text deltas and 11 of thought (85 and 5 %), 11 tool events and 11 of
the rest (5 % each), in the order in which a server sends them, every optional field present
as null, about 215 bytes an event. The same seed gives the same bytes.
"""

from __future__ import annotations

import json
import random
from collections.abc import Iterator
from typing import Any

__all__ = [
    "EVENTS_A_TURN",
    "SESSION",
    "encode",
    "mixed_events",
    "mixed_stream",
    "say",
    "text_deltas",
]

Json = dict[str, Any]

SESSION = "admin-amber-basin"
EVENTS_A_TURN = 222
_THOUGHTS, _DELTAS = 11, 189
_BASE: Json = {
    "session_id": SESSION,
    "role": "assistant",
    "parent_session_id": None,
    "user_session_id": SESSION,
}
_WORDS = (
    "the", "of", "and", "a", "to", "in", "is", "that", "it", "for", "state", "stream", "event",
    "because", "however", "measure", "answer", "therefore", "agent", "question", "between",
    "example", "particle", "distance", "together", "observe", "one", "two", "value", "which",
)  # fmt: skip


def say(rng: random.Random, count: int) -> str:
    return " ".join(rng.choices(_WORDS, k=count)) + " "


def _event(tag: str, **fields: Any) -> Json:
    return {"type": tag, **_BASE, **fields}


def _delta(rng: random.Random, tag: str, role: str) -> Json:
    words = rng.randint(4, 9)
    return _event(tag, role=role, content=say(rng, words), format="markdown")


def _completion(running: bool, reason: str | None) -> Json:
    return _event(
        "completion",
        running=running,
        completion_options={"model": "model-1", "max_tokens": 64000, "temperature": 0.5},
        stop_reason=reason,
        input_tokens=None if running else 1200,
        output_tokens=None if running else 300,
    )


def _call(turn: int, number: int) -> Json:
    return {"id": f"toolu_{turn:06}_{number}", "name": "search", "type": "tool_use"}


def _tool_call(calls: list[Json], results: list[Json] | None) -> Json:
    """Real servers send the arguments of a call as JSON text."""
    said = [{**call, "input": '{"query": "entanglement", "limit": 5}'} for call in calls]
    return _event(
        "tool_call",
        active=results is None,
        vendor="anthropic",
        tool_calls=said,
        tool_results=results,
    )


def _select(calls: list[Json]) -> Json:
    return _event("tool_select_delta", tool_calls=[{**call, "input": {}} for call in calls])


def _tools(turn: int) -> Iterator[Json]:
    """Return eleven events: two parallel calls, one that is selected twice, and a single one."""
    for numbers in ((0, 1), (2,), (3,)):
        calls = [_call(turn, number) for number in numbers]
        for known in range(1, len(calls) + 1):
            yield _select(calls[:known])
        if numbers == (2,):
            yield _select(calls)
        yield _tool_call(calls, None)
        yield _tool_call(
            calls,
            [
                {"type": "tool_result", "tool_use_id": call["id"], "content": "3 hits"}
                for call in calls
            ],
        )


def _opening(rng: random.Random, turn: int) -> Iterator[Json]:
    question = {"role": "user", "content": say(rng, 9)}
    index = {
        "session_id": SESSION,
        "session_name": None,
        "created_at": "2026-01-01T12:00:00.000000",
        "updated_at": f"2026-01-01T12:00:00.{turn % 1_000_000:06}",
        "user_id": None,
        "agent_key": None,
        "agent_name": None,
    }
    yield {"type": "user_turn_end"}
    yield {"type": "chat_session_added", "chat_session": index}
    yield _event("anthropic_user_message", vendor="anthropic", message=question)
    yield _event("interaction", started=True, id=f"interaction-{turn}")
    yield _event("system_prompt", content=say(rng, 40), format="markdown")
    yield _completion(running=True, reason=None)


def _turn(rng: random.Random, turn: int) -> Iterator[Json]:
    yield from _opening(rng, turn)
    for _ in range(_THOUGHTS):
        yield _delta(rng, "thought_delta", "assistant (thought)")
    yield _event(
        "complete_thought", role="assistant (thought)", content=say(rng, 40), format="markdown"
    )
    tools = list(_tools(turn))
    # The model calls tools after some of the text.
    cut = rng.randint(20, _DELTAS - 20)
    for number in range(_DELTAS):
        if number == cut:
            yield from tools
        yield _delta(rng, "text_delta", "assistant")
    yield _completion(running=False, reason="end_turn")
    yield _event("history_delta", vendor=None, messages=[{"role": "assistant", "content": "…"}])
    yield _event("interaction", started=False, id=f"interaction-{turn}")
    yield {"type": "user_turn_start"}


def mixed_events(turns: int, seed: int = 1) -> Iterator[Json]:
    """Return the events of so many whole turns."""
    rng = random.Random(seed)
    for turn in range(turns):
        yield from _turn(rng, turn)


def mixed_stream(turns: int, seed: int = 1) -> list[bytes]:
    """Return them as frames: compact JSON text, one object each."""
    return [encode(event) for event in mixed_events(turns, seed)]


def text_deltas(count: int, seed: int = 1) -> list[bytes]:
    """Return frames of text deltas of one message."""
    rng = random.Random(seed)
    return [encode(_delta(rng, "text_delta", "assistant")) for _ in range(count)]


def encode(event: Json) -> bytes:
    """Encode one event as a server does."""
    return json.dumps(event, separators=(",", ":")).encode()
