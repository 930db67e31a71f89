"""A conversation in tests: short functions for the server's events, and their results."""

from __future__ import annotations

import json
from collections.abc import Iterable
from typing import Any

from realtime_trio._core._local_events import LinkLostEvent
from realtime_trio._core._render import notification_to_json, state_to_json
from realtime_trio._core._state import Limits, SessionState
from realtime_trio._processor import EventStreamProcessor

Json = dict[str, Any]

MAIN = "main"
THOUGHT = "assistant (thought)"


class Talk:
    """A processor and the notifications it emits, as plain JSON.

    Each event goes to two processors, to one as a mapping and to the other as a frame; they
    must agree. ``turn=True`` begins with a current session.
    """

    def __init__(self, *, session: str | None = MAIN, limits: Limits | None = None) -> None:
        self._by_mapping = EventStreamProcessor(limits=limits)
        self._by_frame = EventStreamProcessor(limits=limits)
        if session is not None:
            self(chat_session(session))

    def __call__(self, *events: Json, at: float | None = None) -> list[Json]:
        """Fold events; return the notifications."""
        emitted: list[Json] = []
        for event in events:
            notes = self._by_mapping.process_event(event, at=at)
            assert self._by_frame.process_frame(json.dumps(event), at=at) == notes
            emitted.extend(notification_to_json(note) for note in notes)
        return emitted

    @property
    def now(self) -> SessionState:
        """The state."""
        state = self._by_mapping.state
        assert state == self._by_frame.state
        return state

    @property
    def state(self) -> Json:
        """The state in the form that ``replay`` prints."""
        return state_to_json(self.now)

    @property
    def counters(self) -> Json:
        """The counters of events."""
        counters: Json = self.state["counters"]
        return counters

    def session(self, session_id: str = MAIN) -> Json:
        """Return a session in the form that ``replay`` prints."""
        session: Json = self.state["sessions"][session_id]
        return session

    def messages(self, session_id: str = MAIN) -> list[Json]:
        """Return the stored messages of a session."""
        messages: list[Json] = self.session(session_id)["messages"]
        return messages

    def last(self, session_id: str = MAIN) -> Json:
        """Return the last stored message."""
        return self.messages(session_id)[-1]

    def transcript(self, session_id: str = MAIN) -> list[tuple[str, Any]]:
        """Return the role and the text of each message, in order."""
        return [(message["role"], message["content"]) for message in self.messages(session_id)]

    def set_user_session_id(self, session_id: str | None) -> None:
        """Call the processors' method of this name."""
        self._by_mapping.set_user_session_id(session_id)
        self._by_frame.set_user_session_id(session_id)

    def lose_link(self) -> None:
        """Report a lost link to the processors."""
        for processor in (self._by_mapping, self._by_frame):
            assert processor.process_event(LinkLostEvent()) == ()

    def reset(self) -> None:
        """Call the processors' method of this name."""
        self._by_mapping.reset()
        self._by_frame.reset()


def names(notes: Iterable[Json]) -> list[str]:
    """Return the names of notifications, in order."""
    return [note["name"] for note in notes]


def only(notes: Iterable[Json], name: str) -> list[Json]:
    """Return the notifications with one name."""
    return [note for note in notes if note["name"] == name]


def completed(notes: Iterable[Json]) -> list[tuple[str, Any, str, str | None]]:
    """Return role, content, status and reason of each ``message-complete``."""
    return [
        (
            note["message"]["role"],
            note["message"]["content"],
            note["message"]["status"],
            note["message"]["metadata"]["stop_reason"],
        )
        for note in only(notes, "message-complete")
    ]


def tools(notes: Iterable[Json]) -> list[tuple[str, str]]:
    """Return the id and status of each tool notification; ``removed`` if it was removed."""
    return [
        (note["id"], note.get("status", "removed"))
        for note in notes
        if note["name"] in ("tool-notification", "tool-notification-removed")
    ]


def attached(message: Json) -> list[tuple[str, str | None]]:
    """Return the tools of a message by id, each with its result."""
    results = {result["tool_use_id"]: result["content"] for result in message["tool_results"]}
    assert len(results) == len(message["tool_results"])
    return [(call["id"], results.get(call["id"])) for call in message["tool_calls"]]


# -- what servers send ---------------------------------------------------------------------


def of_session(kind: str, session: str = MAIN, role: str = "assistant", **fields: Any) -> Json:
    """Return an event of a session; ``parent`` and ``user`` make it a sub-session's."""
    parent, user = fields.pop("parent", None), fields.pop("user", MAIN)
    return {
        "type": kind,
        "session_id": session,
        "role": role,
        "parent_session_id": parent,
        "user_session_id": user,
        **fields,
    }


def text(content: str, session: str = MAIN, **fields: Any) -> Json:
    return of_session("text_delta", session, content=content, **fields)


def thought(content: str, session: str = MAIN, **fields: Any) -> Json:
    return of_session("thought_delta", session, **{"role": THOUGHT, **fields}, content=content)


def message(content: str, session: str = MAIN, **fields: Any) -> Json:
    return of_session("message", session, content=content, **fields)


def completion(running: bool, session: str = MAIN, **fields: Any) -> Json:
    return of_session("completion", session, running=running, completion_options={}, **fields)


def interaction(started: bool, session: str = MAIN, id: str = "", **fields: Any) -> Json:
    return of_session("interaction", session, started=started, id=id, **fields)


def call(id: str, name: str = "ls", input: Any = None) -> Json:
    return {"id": id, "name": name, "type": "tool_use", "input": {} if input is None else input}


def result(id: str, content: Any = "done", **fields: Any) -> Json:
    return {"type": "tool_result", "tool_use_id": id, "content": content, **fields}


def select(*calls: Json, session: str = MAIN, **fields: Any) -> Json:
    return of_session("tool_select_delta", session, tool_calls=list(calls), **fields)


def begin(*calls: Json, session: str = MAIN, **fields: Any) -> Json:
    """Return an event that starts tools."""
    return of_session("tool_call", session, active=True, tool_calls=list(calls), **fields)


def end(
    *calls: Json, results: list[Json] | None = None, session: str = MAIN, **fields: Any
) -> Json:
    """Return an event that ends tools; without ``results`` each has the result ``done``."""
    given = [result(each["id"]) for each in calls] if results is None else results
    return of_session(
        "tool_call", session, active=False, tool_calls=list(calls), tool_results=given, **fields
    )


def user(content: Any, session: str = MAIN, **fields: Any) -> Json:
    body = {"role": "user", "content": content}
    return of_session("anthropic_user_message", session, vendor="anthropic", message=body, **fields)


def media(content: str = "# Hello", session: str = MAIN, **fields: Any) -> Json:
    shown = {"content_type": "text/markdown", "foreign_content": False, **fields}
    return of_session("render_media", session, content=content, **shown)


def system(content: str, severity: str = "info", session: str = MAIN, **fields: Any) -> Json:
    return of_session(
        "system_message", session, "system", content=content, severity=severity, **fields
    )


def sub_started(
    session: str = MAIN, kind: str = "chat", agent: str = "assist", **fields: Any
) -> Json:
    return of_session(
        "subsession_started",
        session,
        **{"prime_agent_key": "chief", "sub_agent_key": "helper", **fields},
        sub_session_type=kind,
        sub_agent_type=agent,
    )


def sub_ended(session: str = MAIN, **fields: Any) -> Json:
    return of_session("subsession_ended", session, **fields)


def chat_session(session: str | None = MAIN, *messages: Json, **fields: Any) -> Json:
    """Return an event that makes a session current, with its history."""
    if session is None:
        return {"type": "chat_session_changed", "chat_session": None}
    body = {"session_id": session, "vendor": "anthropic", "messages": list(messages), **fields}
    return {"type": "chat_session_changed", "chat_session": body}


TURN_START: Json = {"type": "user_turn_start"}
TURN_END: Json = {"type": "user_turn_end"}
CANCELLED: Json = {"type": "cancelled"}
