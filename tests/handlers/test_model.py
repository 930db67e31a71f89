"""The processor emits, event by event, the same as a simple implementation of the rules."""

from __future__ import annotations

from collections.abc import Callable
from random import Random
from typing import Any

import pytest

from .model import Model
from .talk import CANCELLED, THOUGHT, TURN_END, TURN_START, Json, Talk, chat_session

PARENTS = {"s": None, "a": "s", "b": "a", "": None}
TOOLS = [["t1"], ["t2"], ["t1", "t2"], ["think"], ["t2", "think", "t3"]]
LISTED = [{"role": "user", "content": "h"}, {"role": "assistant", "content": "g"}]
ASKED = [*LISTED, {"role": "user", "content": "q"}, {"role": "assistant", "content": "r"}]
# The link is lost: an event of the client between two of the server.
LINK_LOST: Json = {"type": "link_lost"}
SUB = {
    "sub_session_type": "chat",
    "sub_agent_type": "team",
    "prime_agent_key": "p",
    "sub_agent_key": "q",
}


def calls(names: list[str]) -> list[Json]:
    return [
        {"id": each, "name": "think" if each == "think" else "ls", "input": {}} for each in names
    ]


def end(names: list[str], content: str) -> Json:
    """Tools ended; the third has no result, and without ``content`` none has one."""
    given = [each for each in names if content and each != "t3"]
    results = [{"tool_use_id": each, "content": content} for each in given]
    return {"active": False, "tool_calls": calls(names), "tool_results": results}


def completions() -> list[Json]:
    ends = [
        {"stop_reason": reason, "input_tokens": came, "output_tokens": went}
        for reason, came, went in ((None, None, None), ("end_turn", 3, 5), ("tool_use", 2, None))
    ]
    told = [{"running": True, **ends[0]}, *({"running": False, **each} for each in ends)]
    return [{"completion_options": {}, **each} for each in told]


# Possible events of each type; one that is listed twice is twice as likely.
SAID: dict[str, list[Json]] = {
    "text_delta": [{"content": each} for each in ("a", "b ", "\ud83d", "\ude00d", "é\ud83d", "")]
    + [{"content": "s", "role": "system"}],
    "thought_delta": [{"content": each} for each in ("t", "u", "v\ud83d", "")],
    "completion": completions(),
    "interaction": [
        {"started": started, "id": each} for started in (True, False) for each in ("", "i", "j")
    ],
    "message": [{"content": "whole", "role": each} for each in ("assistant", THOUGHT, "system")],
    "anthropic_user_message": [
        {"message": each} for each in ({"content": "q"}, {}, {"content": ""})
    ],
    "tool_select_delta": [{"tool_calls": calls(each)} for each in TOOLS] + [{"tool_calls": None}],
    "tool_call": [{"active": True, "tool_calls": calls(each)} for each in TOOLS]
    + [end(each, content) for each in TOOLS for content in ("x", "y", "")]
    + [{**end(each, "z"), "tool_calls": None} for each in TOOLS],
    "subsession_started": [SUB],
    "subsession_ended": [{}],
    "system_message": [{"content": "x", "severity": "info"}],
}


def pool() -> list[Json]:
    """Return events of three sessions, one in three of them with an id."""
    made: list[Json] = []
    for session_id, parent in PARENTS.items():
        of = {"session_id": session_id, "parent_session_id": parent, "role": "assistant"}
        bodies_of = SAID if session_id else {k: v[::3] for k, v in SAID.items()}
        for kind, bodies in bodies_of.items():
            for i, body in enumerate(bodies * 3):
                extra: Json = {"user_session_id": None if i % 5 == 4 or not session_id else "s"}
                if i % 3 == 2:
                    extra["id"] = f"e{i % 2}"
                made.append({"type": kind, **of, **extra, **body})
    made += [chat_session(each, *LISTED, token_count=7) for each in ("s", "a")] * 4
    made += [chat_session("s", token_count=1), chat_session("s", *ASKED, token_count=0)] * 4
    made += [{"type": "delete_chat_session", "session_id": each} for each in ("s", "a", None)]
    return made + [TURN_START, TURN_START, TURN_END, CANCELLED, LINK_LOST] * 6


POOL = pool()


# -- the processor's output in the model's form ----------------------------------------


def emitted_of(message: Json) -> tuple[Any, ...]:
    metadata = message["metadata"]
    return (
        int(message["id"].removeprefix("m")),
        message["role"],
        message["content"],
        message["status"],
        metadata["stop_reason"],
        (metadata["input_tokens"], metadata["output_tokens"]),
        message["is_sub_session"],
        tuple(call["id"] for call in message["tool_calls"]),
        tuple(result["content"] for result in message["tool_results"]),
    )


TOLD: dict[str, Callable[[Json], tuple[Any, ...]]] = {
    "message-streaming": lambda note: (
        note["session_id"],
        int(note["message_id"].removeprefix("m")),
        note["role"],
        note["delta"],
    ),
    "message-complete": lambda note: (note["session_id"], emitted_of(note["message"])),
    "message-added": lambda note: (note["session_id"], emitted_of(note["message"])),
    "message-updated": lambda note: (note["session_id"], emitted_of(note["message"])),
    "user-message": lambda note: (note["session_id"], note["message"]),
    "session-messages-loaded": lambda note: (
        note["session_id"],
        [emitted_of(message) for message in note["messages"]],
    ),
    "response-cancelled": lambda note: (note["session_ids"],),
    "tool-notification": lambda note: (
        note["session_id"],
        note["id"],
        note["tool_name"],
        note["status"],
    ),
    "tool-notification-removed": lambda note: (note["session_id"], note["id"]),
    "tool-call-complete": lambda note: (
        note["session_id"],
        [call["id"] for call in note["tool_calls"]],
        [result["tool_use_id"] for result in note["tool_results"]],
    ),
    "session-notifications-cleared": lambda note: (note["session_id"],),
    "all-notifications-cleared": lambda note: (),
    "system-notification": lambda note: (note["session_id"], note["content"]),
    "chat-session-changed": lambda note: (
        note["previous_session_id"],
        note["current_session_id"],
    ),
    "session-cleared": lambda note: (note["session_id"],),
    "sessions-updated": lambda note: (note["session_ids"],),
    "subsession-started": lambda note: (note["session_id"], note["depth"]),
    "subsession-ended": lambda note: (note["session_id"], note["depth"]),
    "turn-state-changed": lambda note: (note["can_send_input"],),
    "turn-cancelled": lambda note: (),
}


def state_of(talk: Talk) -> Json:
    """Return the state in the model's form."""
    state = talk.state
    return {
        "current": state["current_session_id"],
        "can_send": state["turn"]["can_send_input"],
        "late": state["counters"]["late_deltas"],
        "duplicates": state["counters"]["duplicates"],
        "tools": [(tool["session_id"], tool["id"]) for tool in state["active_tools"]],
        "delegations": [(each["session_id"], each["depth"]) for each in state["subsessions"]],
        "sessions": [
            (
                session_id,
                [emitted_of(message) for message in each["messages"]],
                each["open_message"] and emitted_of(each["open_message"]),
                [call["id"] for call in each["waiting_tools"]],
                (each["input_tokens"], each["output_tokens"], each["token_count"]),
            )
            for session_id, each in state["sessions"].items()
        ],
    }


def expected_state_of(model: Model) -> Json:
    return {
        "current": model.current,
        "can_send": model.can_send,
        "late": model.late,
        "duplicates": model.duplicates,
        "tools": model.active(),
        "delegations": [(session_id, depth) for session_id, _, depth in model.delegations],
        "sessions": [
            (
                session_id,
                [message.told() for message in room.messages],
                room.open and room.open.told(),
                [tool.id for tool in room.waiting],
                room.spent,
            )
            for session_id in model.shown()
            for room in [model.rooms[session_id]]
        ],
    }


@pytest.mark.parametrize("seed", range(80))
def test_the_processor_agrees_with_the_model(seed: int) -> None:
    talk, model = Talk(session=None), Model()
    for event in Random(seed).choices(POOL, k=200):
        if event is LINK_LOST:
            talk.lose_link()
            model.lose_link()
            continue
        told = [(note["name"], *TOLD[note["name"]](note)) for note in talk(event)]
        assert told == model.feed(event), event
    assert state_of(talk) == expected_state_of(model)
