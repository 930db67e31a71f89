"""A grammar of conversations, as servers send them and as no server should.

A conversation is a list of what comes over the socket: JSON objects, and bytes for binary frames.
It is made of turns, of which any part may be missing, and of events of every type at any place.
Few sessions, tools and ids are in use, so that what one event begins another often ends.
"""

from __future__ import annotations

import base64
from typing import Any

from hypothesis import strategies as st

from tests.handlers.talk import (
    CANCELLED,
    MAIN,
    THOUGHT,
    TURN_END,
    TURN_START,
    Json,
    begin,
    call,
    chat_session,
    completion,
    end,
    interaction,
    media,
    message,
    of_session,
    result,
    select,
    sub_ended,
    sub_started,
    system,
    text,
    thought,
    user,
)

Wire = Json | bytes

SESSIONS = [MAIN, "a", "b"]
ROLES = ["assistant", THOUGHT, "narrator", "user"]

roles = st.sampled_from(ROLES)
sessions = st.sampled_from([MAIN, MAIN, *SESSIONS])
words = st.sampled_from(["x", "yes ", "", "\n", "é 🌍", "a longer piece of text, "]) | st.text(
    st.characters(exclude_categories=["Cs"]), max_size=4
)
tokens = st.none() | st.integers(0, 9)
names = st.none() | st.sampled_from(["n", ""])


@st.composite
def scopes(draw: st.DrawFn) -> Json:
    """The session of an event, and what it says of its parents. Sometimes it says nothing."""
    session = draw(sessions)
    said = draw(st.integers(0, 4))
    if said == 0:
        return {"session": session, "user": None}
    parent = None if session == MAIN else draw(st.sampled_from(SESSIONS))
    return {"session": session, "parent": parent, "user": MAIN if said > 1 else session}


def scoped(
    make: Any,
    *args: st.SearchStrategy[Any],
    optional: dict[str, st.SearchStrategy[Any]] | None = None,
    **kwargs: st.SearchStrategy[Any],
) -> Any:
    """Events of ``make`` in any session."""
    return st.builds(
        lambda scope, args, kwargs: make(*args, **scope, **kwargs),
        scopes(),
        st.tuples(*args),
        st.fixed_dictionaries(kwargs, optional=optional or {}),
    )


def plain(kind: str, **fields: st.SearchStrategy[Any]) -> st.SearchStrategy[Json]:
    """Events that belong to no session."""
    return st.fixed_dictionaries({"type": st.just(kind), **fields})


def in_session(kind: str, **fields: st.SearchStrategy[Any]) -> st.SearchStrategy[Json]:
    """Events of a session by their type."""

    def make(**given: Any) -> Json:
        return of_session(kind, **given)

    made: st.SearchStrategy[Json] = scoped(make, optional=None, **fields)
    return made


# -- tools and histories -------------------------------------------------------------------

TOOLS = [("t1", "ls"), ("t2", "ls"), ("t3", "aa_chat"), ("think1", "think"), ("think2", "think")]
inputs: st.SearchStrategy[Any] = st.sampled_from(
    [None, {"a": 1}, '{"a": 1}', "no JSON", {"thought": "hm"}, {"message": "do"}]
)
calls = st.builds(lambda tool, given: call(tool[0], tool[1], given), st.sampled_from(TOOLS), inputs)
call_lists = st.lists(calls, max_size=3)
outputs: st.SearchStrategy[Any] = st.sampled_from(
    ["done", "", [{"type": "text", "text": "done"}], '{"agent_message": "ok"}', None]
)
result_lists = st.lists(
    st.builds(lambda tool, out: result(tool[0], out), st.sampled_from(TOOLS), outputs), max_size=3
)

blocks: st.SearchStrategy[Any] = st.one_of(
    st.builds(lambda said: {"type": "text", "text": said}, words),
    st.builds(lambda said: {"type": "thinking", "thinking": said}, words),
    st.builds(lambda made: {**made, "type": "tool_use"}, calls),
    result_lists.filter(bool).map(lambda made: made[0]),
    st.sampled_from([{"type": "image", "source": {"type": "url", "url": "u"}}, {"type": "odd"}, 5]),
)
contents: st.SearchStrategy[Any] = words | st.none() | st.lists(blocks, max_size=4)
vendor_messages: st.SearchStrategy[Any] = st.one_of(
    st.fixed_dictionaries({"role": st.sampled_from(["user", "assistant"]), "content": contents}),
    st.fixed_dictionaries(
        {"role": st.sampled_from(["tool", "system", "narrator"]), "content": contents},
        optional={"tool_call_id": st.sampled_from(["t1", "t2"])},
    ),
    st.none(),
)
histories = st.lists(vendor_messages, max_size=5)
bodies = st.fixed_dictionaries({}, optional={"content": contents})


def loaded(session: str | None, messages: list[Any], extra: Json) -> Json:
    return chat_session(session, *messages, **extra)


# -- every type ----------------------------------------------------------------------------

entries = st.builds(lambda sid, name: {"session_id": sid, "session_name": name}, sessions, names)
voices = st.sampled_from(
    [{"voice_id": "v", "output_format": f} for f in ("pcm16", "pcm16_24000", "special", "none")]
)
agents = st.builds(lambda key: {"key": key}, st.sampled_from(["k1", "k2"]))
mappings: st.SearchStrategy[Any] = st.sampled_from([{}, {"a": 1}, {"name": "w", "b": [1, {}]}])
pcm = st.binary(max_size=5)

BY_TYPE: dict[str, st.SearchStrategy[Json]] = {
    "chat_user_data": plain("chat_user_data", user=st.just({"user_id": "u"})),
    "ui_session_id_changed": plain("ui_session_id_changed", ui_session_id=st.just("ui")),
    "avatar_list": plain("avatar_list", avatars=st.just([{"avatar_id": "a"}])),
    "voice_list": plain("voice_list", voices=st.lists(voices, max_size=2)),
    "agent_list": plain("agent_list", agents=st.lists(agents, max_size=2)),
    "tool_catalog": plain("tool_catalog", tools=st.just([{"name": "t"}])),
    "agent_configuration_changed": plain("agent_configuration_changed", agent_config=agents),
    "avatar_connection_changed": plain(
        "avatar_connection_changed", avatar_session=st.none() | mappings
    ),
    "agent_voice_changed": plain("agent_voice_changed", voice=voices),
    "voice_input_supported": plain("voice_input_supported", modes=st.just(["ptt", "vad"])),
    "server_listening": plain("server_listening"),
    "user_turn_start": st.just(TURN_START),
    "user_turn_end": st.just(TURN_END),
    "chat_session_changed": st.builds(
        loaded,
        sessions | st.none(),
        histories,
        st.fixed_dictionaries(
            {}, optional={"session_name": names, "token_count": tokens, "metadata": mappings}
        ),
    ),
    "chat_session_name_changed": plain(
        "chat_session_name_changed", session_name=words, session_id=sessions | st.none()
    ),
    "session_metadata_changed": plain("session_metadata_changed", meta=mappings),
    "chat_session_added": plain("chat_session_added", chat_session=entries),
    "chat_session_deleted": plain("chat_session_deleted", session_id=sessions | st.none()),
    "delete_chat_session": plain("delete_chat_session", session_id=sessions | st.none()),
    "get_user_sessions_response": plain(
        "get_user_sessions_response",
        sessions=st.fixed_dictionaries(
            {
                "chat_sessions": st.lists(entries, max_size=3),
                "total_sessions": st.integers(0, 4),
                "offset": st.integers(0, 2),
            }
        ),
    ),
    "workspace_list": plain("workspace_list", workspaces=st.lists(mappings, max_size=2)),
    "workspace_added": plain("workspace_added", entry=mappings),
    "error": plain("error", message=words, source=names),
    "cancelled": st.just(CANCELLED),
    "ping": plain("ping"),
    "pong": plain("pong"),
    "text_delta": scoped(text, words, optional={"role": roles, "format": st.just("html")}),
    "thought_delta": scoped(thought, words, optional={"role": roles}),
    "complete_thought": in_session("complete_thought", content=words),
    "message": scoped(message, words, optional={"role": roles}),
    "completion": st.builds(
        lambda make, spent: {**make, **spent},
        st.builds(lambda running, scope: completion(running, **scope), st.booleans(), scopes()),
        st.fixed_dictionaries(
            {}, optional={"input_tokens": tokens, "output_tokens": tokens, "stop_reason": names}
        ),
    ),
    "interaction": scoped(interaction, st.booleans(), id=st.sampled_from(["", "i1", "i2"])),
    "tool_select_delta": st.builds(lambda made, s: select(*made, **s), call_lists, scopes()),
    "tool_call": st.one_of(
        st.builds(lambda made, s: begin(*made, **s), call_lists, scopes()),
        st.builds(
            lambda made, given, s: end(*made, results=given, **s),
            call_lists,
            st.none() | result_lists,
            scopes(),
        ),
    ),
    "render_media": scoped(media, words),
    "system_message": scoped(system, words, st.sampled_from(["error", "warning", "info"])),
    "history": in_session("history", vendor=st.just("v"), messages=st.just([{}])),
    "history_delta": in_session("history_delta", messages=st.just([{}])),
    "system_prompt": in_session("system_prompt", content=words),
    "user_request": in_session("user_request", data=st.just({"message": "m"})),
    "user_message": in_session(
        "user_message", vendor=st.just("v"), message=st.none() | bodies | words, text=names
    ),
    "anthropic_user_message": in_session("anthropic_user_message", message=bodies),
    "openai_user_message": in_session("openai_user_message", message=bodies),
    "subsession_started": scoped(
        sub_started,
        kind=st.sampled_from(["chat", "oneshot"]),
        agent=st.sampled_from(["clone", "team", "assist", "tool"]),
    ),
    "subsession_ended": scoped(sub_ended),
    "audio_delta": in_session(
        "audio_delta", content=pcm.map(lambda data: base64.b64encode(data).decode())
    ),
}

SPELLINGS = {
    "openai_user_message": ["openai_user_message", "open_a_i_user_message", "open_ai_user_message"]
}

# What a stream is made of most: these come more often than their share of the table.
STREAM = [
    "text_delta",
    "thought_delta",
    "tool_select_delta",
    "tool_call",
    "completion",
    "interaction",
    "anthropic_user_message",
    "chat_session_changed",
    "cancelled",
    "user_turn_start",
]

unknown = st.builds(
    lambda kind, session: {"type": kind, "session_id": session},
    st.sampled_from(["future", "text_input"]),
    sessions,
)


@st.composite
def malformed(draw: st.DrawFn) -> Json:
    """An event of which one field is missing or of another type; sometimes it is none the worse."""
    event = dict(draw(st.sampled_from(sorted(BY_TYPE)).flatmap(BY_TYPE.__getitem__)))
    field = draw(st.sampled_from(sorted(event)))
    if draw(st.booleans()):
        del event[field]
    else:
        event[field] = draw(st.sampled_from([None, 5, [], {}, True, [{}], "text"]))
    return event


@st.composite
def numbered(draw: st.DrawFn, events: st.SearchStrategy[Json]) -> Json:
    """Events of which some have an id, and of these some the same one."""
    event = draw(events)
    if draw(st.integers(0, 5)) or event["type"] == "interaction":
        return event
    return {**event, "id": draw(st.sampled_from(["e1", "e2", "", None, 5]))}


stream_events = st.sampled_from(STREAM).flatmap(BY_TYPE.__getitem__)
all_events = st.sampled_from(sorted(BY_TYPE)).flatmap(BY_TYPE.__getitem__)
any_event: st.SearchStrategy[Wire] = st.one_of(
    numbered(stream_events),
    numbered(stream_events),
    numbered(all_events),
    numbered(unknown) | malformed(),
    pcm,
)


# What comes into the middle of a turn.
DISTURBANCES = [
    "chat_session_changed",
    "chat_session_changed",
    "cancelled",
    "cancelled",
    "subsession_started",
    "subsession_ended",
    "text_delta",
    "tool_call",
    "user_turn_start",
    "interaction",
    "completion",
    "delete_chat_session",
]
disturbances = st.sampled_from(DISTURBANCES).flatmap(BY_TYPE.__getitem__) | any_event


@st.composite
def turns(draw: st.DrawFn) -> list[Wire]:
    """One turn in its order, of which any part may be missing and into which anything may come."""
    scope = draw(scopes())
    tools = draw(st.lists(calls, max_size=2))
    said = draw(st.lists(words, min_size=1, max_size=3))
    parts: list[Wire] = [
        TURN_END,
        user(draw(words), **scope),
        interaction(True, **scope, id=draw(st.sampled_from(["", "i1"]))),
        completion(True, **scope),
        *(draw(st.sampled_from([text, thought]))(piece, **scope) for piece in said),
        select(*tools, **scope),
        begin(*tools, **scope),
        completion(False, **scope, input_tokens=draw(tokens), output_tokens=draw(tokens)),
        end(*tools, **scope),
        interaction(False, **scope, id=draw(st.sampled_from(["", "i1"]))),
        TURN_START,
    ]
    missing = draw(st.sets(st.integers(0, len(parts) - 1), max_size=4))
    parts = [part for i, part in enumerate(parts) if i not in missing]
    for place in draw(st.lists(st.integers(0, len(parts)), max_size=3)):
        parts.insert(place, draw(disturbances))
    return draw(resumed(parts, scope["session"])) if draw(st.integers(0, 2)) == 0 else parts


@st.composite
def resumed(draw: st.DrawFn, parts: list[Wire], session: str) -> list[Wire]:
    """A turn in the middle of which its session is loaded again; its rest may have gone."""
    place = draw(st.integers(0, len(parts)))
    rest = parts[place:] if draw(st.booleans()) else [TURN_START]
    return [*parts[:place], chat_session(session, *draw(histories)), *rest]


@st.composite
def conversations(draw: st.DrawFn, max_size: int = 12) -> list[Wire]:
    """Turns and events of every type, one after the other, mostly in a session that is current."""
    size = draw(st.integers(0, max_size))
    piece = turns() | any_event.map(lambda event: [event])
    pieces = draw(st.lists(piece, min_size=size, max_size=size))
    opening: list[Wire] = [chat_session(MAIN)] if draw(st.booleans()) else []
    return opening + [event for piece in pieces for event in piece]
