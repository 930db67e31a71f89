"""The processor tells, event by event, what a plain reading of the rules would tell."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from .model import Model
from .talk import CANCELLED, THOUGHT, TURN_END, TURN_START, Json, Talk, chat_session

PARENTS = {"s": None, "a": "s", "b": "a"}
session_ids = st.sampled_from(["s", "s", "s", "a", "b"])


def of_session(kind: str, **fields: st.SearchStrategy[Any]) -> st.SearchStrategy[Json]:
    """An event of a session; some have an id."""

    def make(session_id: str, user: str | None, drawn: Json) -> Json:
        made = {
            "type": kind,
            "session_id": session_id,
            "role": "assistant",
            "parent_session_id": PARENTS[session_id],
            "user_session_id": user,
            **drawn,
        }
        return {name: value for name, value in made.items() if (name, value) != ("id", None)}

    ids = fields.pop("id", st.sampled_from([None, None, None, "", "x", "y"]))
    users = st.sampled_from(["s", "s", "s", None])
    return st.builds(make, session_ids, users, st.fixed_dictionaries({"id": ids, **fields}))


names = st.sampled_from(["t1", "t2", "t3", "think"])
calls: st.SearchStrategy[list[Json]] = st.lists(names, min_size=1, max_size=3, unique=True).map(
    lambda chosen: [
        {"id": each, "name": "think" if each == "think" else "ls", "input": {}} for each in chosen
    ]
)


def with_results(event: Json, missing: set[str]) -> Json:
    """An end whose tools have results, but for some."""
    results = [
        {"tool_use_id": call["id"], "content": f"result of {call['id']}"}
        for call in event["tool_calls"]
        if call["id"] not in missing
    ]
    return {**event, "active": False, "tool_results": results}


numbers = st.sampled_from([None, 3, 5])
words = st.sampled_from(["", "a", "b "])
lists = st.sampled_from(
    [[], [{"role": "user", "content": "h"}, {"role": "assistant", "content": "g"}]]
)
events: list[st.SearchStrategy[Json]] = [
    of_session("text_delta", content=words, role=st.sampled_from(["assistant"] * 4 + ["system"])),
    of_session("text_delta", content=words),
    of_session("thought_delta", content=words),
    of_session(
        "completion",
        running=st.booleans(),
        completion_options=st.just({}),
        stop_reason=st.sampled_from([None, "end_turn"]),
        input_tokens=numbers,
        output_tokens=numbers,
    ),
    of_session("interaction", started=st.booleans(), id=st.sampled_from(["", "i", "j"])),
    of_session(
        "message",
        content=st.just("whole"),
        role=st.sampled_from(["assistant", THOUGHT, "system"]),
    ),
    of_session(
        "anthropic_user_message",
        message=st.sampled_from([{"content": "q"}, {"content": None}, {}, {"content": ""}]),
    ),
    of_session("tool_select_delta", tool_calls=st.sampled_from([None, []]) | calls),
    of_session("tool_call", active=st.just(True), tool_calls=calls),
    st.builds(with_results, of_session("tool_call", tool_calls=calls), st.sets(names, max_size=1)),
    of_session(
        "subsession_started",
        sub_session_type=st.just("chat"),
        sub_agent_type=st.just("team"),
        prime_agent_key=st.just("p"),
        sub_agent_key=st.just("q"),
    ),
    of_session("subsession_ended"),
    of_session("system_message", content=st.just("x"), severity=st.just("info")),
    st.builds(
        lambda session_id, listed: chat_session(session_id, *listed, token_count=7),
        st.sampled_from(["s", "s", "a"]),
        lists,
    ),
    st.sampled_from([TURN_START, TURN_END, CANCELLED]),
]


def in_turns(drawn: list[Json]) -> list[Json]:
    """Give the tools of each turn ids of their own."""
    turn, made = 0, list[Json]()
    for event in drawn:
        turn += event == TURN_START
        named = dict(event)
        for key, name in (("tool_calls", "id"), ("tool_results", "tool_use_id")):
            if named.get(key):
                named[key] = [{**each, name: f"{each[name]}.{turn}"} for each in named[key]]
        made.append(named)
    return made


# --- what the processor tells, in the model's words ------------------------------------------


def told_of(message: Json) -> tuple[Any, ...]:
    results = {each["tool_use_id"]: each["content"] for each in message["tool_results"]}
    metadata = message["metadata"]
    return (
        int(message["id"].removeprefix("m")),
        message["role"],
        message["content"],
        message["status"],
        metadata["stop_reason"],
        (metadata["input_tokens"], metadata["output_tokens"]),
        message["is_sub_session"],
        tuple((call["id"], results.get(call["id"])) for call in message["tool_calls"]),
    )


TOLD: dict[str, Callable[[Json], tuple[Any, ...]]] = {
    "message-streaming": lambda note: (
        note["session_id"],
        int(note["message_id"].removeprefix("m")),
        note["role"],
        note["delta"],
    ),
    "message-complete": lambda note: (note["session_id"], told_of(note["message"])),
    "message-added": lambda note: (note["session_id"], told_of(note["message"])),
    "message-updated": lambda note: (note["session_id"], told_of(note["message"])),
    "user-message": lambda note: (note["session_id"], note["message"]),
    "session-messages-loaded": lambda note: (
        note["session_id"],
        [told_of(message) for message in note["messages"]],
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
    "sessions-updated": lambda note: (note["session_ids"],),
    "subsession-started": lambda note: (note["session_id"], note["depth"]),
    "subsession-ended": lambda note: (note["session_id"], note["depth"]),
    "turn-state-changed": lambda note: (note["can_send_input"],),
    "turn-cancelled": lambda note: (),
}


def stands(talk: Talk) -> Json:
    """The state in the model's words."""
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
                [told_of(message) for message in each["messages"]],
                each["open_message"] and told_of(each["open_message"]),
                [call["id"] for call in each["waiting_tools"]],
                (each["input_tokens"], each["output_tokens"], each["token_count"]),
            )
            for session_id, each in state["sessions"].items()
        ],
    }


def should_stand(model: Model) -> Json:
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
                list(room.waiting),
                room.spent,
            )
            for session_id, room in model.rooms.items()
        ],
    }


@settings(max_examples=200)
@given(st.lists(st.one_of(events), max_size=40))
def test_the_processor_agrees_with_a_plain_reading_of_the_rules(drawn: list[Json]) -> None:
    talk, model = Talk(session=None), Model()
    for event in in_turns(drawn):
        told = [(note["name"], *TOLD[note["name"]](note)) for note in talk(event)]
        assert told == model.feed(event), event
    assert stands(talk) == should_stand(model)
