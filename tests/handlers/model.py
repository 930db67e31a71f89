"""The rules again, as simply as possible: one mutable object per session, no lanes.

It shares no code with the package, stores little, and searches where the package has an index. A
test compares its notifications with the processor's, event by event. It omits histories with tools,
delegations that become tools, and the bounds.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import attrs

from .talk import THOUGHT, Json

TAKES_TOOLS = ("assistant", THOUGHT)


@attrs.define(eq=False)
class Used:
    """A call of a tool, from its selection on: preparing, executing, cleared, removed, ended.

    ``boundary`` counts the completions of its session that had started when it ended. ``answered``
    orders the results of a message.
    """

    id: str
    name: str
    stage: str
    result: str | None = None
    boundary: int = 0
    answered: int = 0

    @property
    def active(self) -> bool:
        """Whether the application shows it."""
        return self.stage in ("preparing", "executing")


def answered(tool: Used) -> int:
    """When the tool's result arrived."""
    return tool.answered


@attrs.define
class Said:
    """A message."""

    number: int
    role: str
    content: str
    status: str = "complete"
    stop_reason: str | None = None
    tokens: tuple[int | None, int | None] = (None, None)
    is_sub: bool = False
    tools: list[Used] = attrs.field(factory=list)
    # Half of a character at the end; whether the link was lost since the last delta.
    half: str = ""
    cut: bool = False

    def told(self) -> tuple[Any, ...]:
        """Return the message in the form that is compared."""
        return (
            self.number,
            self.role,
            self.content,
            self.status,
            self.stop_reason,
            self.tokens,
            self.is_sub,
            tuple(tool.id for tool in self.tools),
            tuple(tool.result for tool in sorted(self.tools, key=answered) if tool.result),
        )


@attrs.define
class Room:
    """A session."""

    messages: list[Said] = attrs.field(factory=list)
    open: Said | None = None
    calls: list[Used] = attrs.field(factory=list)
    waiting: list[Used] = attrs.field(factory=list)
    waiting_since: Json = attrs.field(factory=dict)
    spent: tuple[int, int, int] = (0, 0, 0)
    completions: int = 0
    at_work: bool = False
    # The turn: its messages, whether its stream has started, whether it has a user message.
    turn: list[Said] = attrs.field(factory=list)
    stirred: bool = False
    asked: bool = False
    # The last list: its user messages, and the number of turns completed since.
    users: int = 0
    turns: int = 0
    # A list that arrived during a turn, until an event follows it.
    listed: list[Said] | None = None
    whole: bool = False
    # Whether a message arrived; a session without an id exists only then.
    exists: bool = True


class Model:
    """The model: each event fed returns its notifications."""

    def __init__(self) -> None:
        self.rooms: dict[str, Room] = {}
        self.shown_tools: list[tuple[str, Used]] = []
        self.turn_ended = self.turn_began = self.was_cancelled = False
        self.deleted: tuple[str, Room | None, bool] | None = None
        self.delegations: list[tuple[str, str, int]] = []
        self.current: str | None = None
        self.user: str | None = None
        self.can_send = False
        # None, or the sessions that have started again since a cancel.
        self.begun_anew: set[str] | None = None
        self.seen: list[tuple[Any, ...]] = []
        self.late = self.duplicates = self._number = self._results = 0
        self._told: list[tuple[Any, ...]] = []

    def feed(self, event: Json) -> list[tuple[Any, ...]]:
        """Return the notifications of one event."""
        self._told = []
        event = self._resolved(event)
        identity = (event.get("session_id"), event["type"], event.get("id"), event.get("started"))
        if event.get("id") and identity in self.seen:
            self.duplicates += 1
            return []
        late = self.late
        handler: Callable[[Json], None] = getattr(self, f"_{event['type']}")
        handler(event)
        if event.get("id") and late == self.late:
            self.seen.append(identity)
        return self._told

    def _resolved(self, event: Json) -> Json:
        """Resolve the session of an event that names none."""
        if "session_id" in event and "role" in event and not event["session_id"]:
            user = event.get("user_session_id") or self.user or ""
            return {**event, "session_id": user}
        return event

    def lose_link(self) -> None:
        """Mark open messages as cut."""
        for room in self.rooms.values():
            if room.open is not None:
                room.open.cut = True

    # -- shared helpers ----------------------------------------------------------------------

    def _tell(self, name: str, *payload: Any) -> None:
        self._told.append((name, *payload))

    def _enter(self, session_id: str) -> Room:
        """Return the record of a session, created if it is new."""
        if session_id not in self.rooms:
            if session_id and "" in self.rooms:
                self._complete("")
            kept = None
            if self.deleted is not None and self.deleted[0] == session_id:
                kept = self.deleted[1]
                self.deleted = (session_id, None, self.deleted[2])
            self.rooms[session_id] = kept or Room(exists=session_id != "")
        return self.rooms[session_id]

    def _room(self, event: Json, *, says: bool = False) -> Room:
        """Return the record of a stream event; ``says``: it adds a message or a part of one."""
        room = self._enter(event["session_id"])
        if says and not room.exists:
            room.exists = True
            self.rooms[""] = self.rooms.pop("")
        return room

    def _stream(self, event: Json, *, says: bool = False) -> Room:
        room = self._room(event, says=says)
        room.stirred, room.listed = True, None
        return room

    def shown(self) -> list[str]:
        """Return the sessions that an application sees."""
        return [each for each, room in self.rooms.items() if each or room.messages or room.open]

    def _is_sub(self, event: Json) -> bool:
        user = event.get("user_session_id") or self.user
        return user is not None and user != event["session_id"]

    def _new(self, event: Json, role: str, content: str, status: str = "complete") -> Said:
        self._number += 1
        return Said(self._number, role, content, status, is_sub=self._is_sub(event))

    def _give_waiting(self, room: Room, message: Said) -> None:
        if message.role in TAKES_TOOLS:
            for tool in room.waiting:
                self._stamp(tool)
            message.tools += room.waiting
            room.waiting = []

    def _stamp(self, tool: Used) -> None:
        self._results += 1
        tool.answered = self._results

    def _complete(
        self,
        session_id: str,
        status: str = "complete",
        stop_reason: str | None = None,
        tokens: tuple[int | None, int | None] = (None, None),
    ) -> bool:
        room = self.rooms[session_id]
        message, room.open = room.open, None
        if message is None:
            return False
        message.status, message.stop_reason, message.tokens = status, stop_reason, tokens
        if message.half:
            message.content += "\ufffd"
            self._tell("message-streaming", session_id, message.number, message.role, "\ufffd")
        self._store(room, message)
        self._tell("message-complete", session_id, message.told())
        return True

    def _store(self, room: Room, message: Said) -> None:
        room.messages.append(message)
        room.turn.append(message)

    def _flush(self, session_id: str) -> None:
        room = self.rooms[session_id]
        if room.waiting:
            message = self._new(room.waiting_since, "assistant", "")
            self._give_waiting(room, message)
            self._store(room, message)
            self._tell("message-complete", session_id, message.told())

    def _leave(self, session_id: str, tool: Used, stage: str) -> None:
        if tool.active:
            self.shown_tools = [each for each in self.shown_tools if each[1] is not tool]
            tool.boundary = self.rooms[session_id].completions
        tool.stage = stage

    def _remove(self, session_id: str, tool: Used) -> None:
        self._leave(session_id, tool, "removed")
        self._tell("tool-notification-removed", session_id, tool.id)

    def _of(self, session_id: str | None) -> list[tuple[str, Used]]:
        return [each for each in self.shown_tools if session_id in (None, each[0])]

    def active(self) -> list[tuple[str, str]]:
        """Return the active tools."""
        return [(session_id, tool.id) for session_id, tool in self.shown_tools]

    def _is_late(self, event: Json) -> bool:
        if self.begun_anew is None or event["session_id"] in self.begun_anew:
            return False
        self.late += 1
        if event["session_id"] in self.rooms:
            self._stream(event)
        return True

    def _begins_anew(self, event: Json) -> None:
        if self.begun_anew is not None:
            self.begun_anew.add(event["session_id"])

    # -- messages --------------------------------------------------------------------------

    def _text_delta(self, event: Json) -> None:
        self._delta(event, event["role"])

    def _thought_delta(self, event: Json) -> None:
        self._delta(event, THOUGHT)

    def _delta(self, event: Json, role: str) -> None:
        if self._is_late(event):
            return
        session_id, room = event["session_id"], self._stream(event, says=True)
        if not event["content"]:
            return
        if role == THOUGHT:
            for _, tool in self._of(session_id):
                if tool.name == "think":
                    self._remove(session_id, tool)
        if room.open is not None and room.open.role != role:
            self._complete(session_id)
        if room.open is None:
            room.open = self._new(event, role, "", "streaming")
            self._give_waiting(room, room.open)
        said, room.open.half = whole(room.open.half + event["content"])
        room.open.content += said
        room.open.cut = False
        if said:
            self._tell("message-streaming", session_id, room.open.number, role, said)

    def _completion(self, event: Json) -> None:
        session_id, room = event["session_id"], self._stream(event)
        if event["running"]:
            self._begins_anew(event)
            self._complete(session_id)
            room.completions += 1
            return
        tokens = (event["input_tokens"], event["output_tokens"])
        came, went = tokens[0] or 0, tokens[1] or 0
        spent = room.spent
        room.spent = (spent[0] + came, spent[1] + went, spent[2] + came + went)
        self._complete(session_id, "complete", event["stop_reason"], tokens)

    def _interaction(self, event: Json) -> None:
        session_id, room = event["session_id"], self._stream(event)
        room.at_work = event["started"]
        self.turn_began = True
        if event["started"]:
            self._begins_anew(event)
            self._complete(session_id, "interrupted", "interrupted")
            for _, tool in self._of(session_id):
                self._remove(session_id, tool)
            return
        self._complete(session_id)
        for _, tool in self._of(session_id):
            self._leave(session_id, tool, "cleared")
        self._tell("session-notifications-cleared", session_id)

    def _message(self, event: Json) -> None:
        room = self._stream(event, says=True)
        self._complete(event["session_id"])
        message = self._new(event, event["role"], event["content"])
        self._give_waiting(room, message)
        self._store(room, message)
        self._tell("message-complete", event["session_id"], message.told())

    def _anthropic_user_message(self, event: Json) -> None:
        session_id, room = event["session_id"], self._room(event, says=True)
        room.asked = True
        if self.turn_ended:
            self._stream(event)
        self._complete(session_id, "interrupted", "interrupted")
        self._flush(session_id)
        content = event["message"].get("content")
        message = self._new(event, "user", "[User message]" if content is None else content)
        self._store(room, message)
        self._tell("message-added", session_id, message.told())
        self._tell("user-message", session_id, event["message"])

    # -- tools -----------------------------------------------------------------------------

    def _latest(self, event: Json, call_id: str) -> Used | None:
        calls = self._enter(event["session_id"]).calls
        return next((each for each in reversed(calls) if each.id == call_id), None)

    def _tool_select_delta(self, event: Json) -> None:
        if not event["tool_calls"] or self._is_late(event):
            return
        room = self._stream(event)
        for call in event["tool_calls"]:
            known = self._latest(event, call["id"])
            if known is None or (not known.active and room.completions > known.boundary):
                self._announce(event, call, "preparing")

    def _announce(self, event: Json, call: Json, stage: str) -> None:
        tool = Used(call["id"], call["name"], stage)
        self._enter(event["session_id"]).calls.append(tool)
        self.shown_tools.append((event["session_id"], tool))
        self._tell("tool-notification", event["session_id"], tool.id, tool.name, stage)

    def _tool_call(self, event: Json) -> None:
        if not event["tool_calls"]:
            if event["active"] or event["session_id"] not in self.rooms:
                return
            event = {**event, "tool_calls": self._named(event)}
            if not event["tool_calls"]:
                return
        if event["active"]:
            if not self._is_late(event):
                self._stream(event)
                self._run(event)
            return
        announced = self.begun_anew is None or event["session_id"] in self.begun_anew
        self._stream(event)
        self._end(event, announced)

    def _named(self, event: Json) -> list[Json]:
        """Return the calls that results without calls name."""
        named = dict.fromkeys(each["tool_use_id"] for each in event["tool_results"])
        known = [self._latest(event, each) for each in named]
        return [
            {"id": tool.id, "name": tool.name}
            for tool in known
            if tool is not None and tool.stage != "ended"
        ]

    def _others(self, event: Json) -> list[Json]:
        """Return the calls other than ``think``, which ends here."""
        session_id = event["session_id"]
        for call in event["tool_calls"]:
            if call["name"] != "think":
                continue
            known = self._latest(event, call["id"])
            if known is None:
                known = Used(call["id"], "think", "ended")
                known.boundary = self.rooms[session_id].completions
                self.rooms[session_id].calls.append(known)
            if known.active:
                self._remove(session_id, known)
            known.stage = "ended"
        return [call for call in event["tool_calls"] if call["name"] != "think"]

    def _run(self, event: Json) -> None:
        for call in self._others(event):
            known = self._latest(event, call["id"])
            if known is None or not known.active:
                self._announce(event, call, "executing")
            elif known.stage == "preparing":
                known.stage = "executing"
                self._tell(
                    "tool-notification", event["session_id"], known.id, call["name"], known.stage
                )

    def _end(self, event: Json, announced: bool) -> None:
        session_id = event["session_id"]
        room = self.rooms[session_id]
        calls = self._others(event)
        if not calls:
            return
        ended: list[Used] = []
        for call in calls:
            known = self._latest(event, call["id"])
            if announced and (known is None or known.stage not in ("removed", "ended")):
                self._tell("tool-notification", session_id, call["id"], call["name"], "complete")
            if known is None:
                known = Used(call["id"], call["name"], "ended", boundary=room.completions)
                room.calls.append(known)
            self._leave(session_id, known, "ended")
            ended.append(known)
        ids = [call["id"] for call in calls]
        results = {each["tool_use_id"]: each["content"] for each in event["tool_results"]}
        self._tell("tool-call-complete", session_id, ids, [k for k in results if k in ids])
        for tool in ended:
            self._attach(event, tool, results.get(tool.id))

    def _attach(self, event: Json, tool: Used, result: str | None) -> None:
        room = self.rooms[event["session_id"]]
        told = [*room.messages, *([room.open] if room.open else [])]
        target = next((each for each in told if tool in each.tools), None)
        if result is not None or (target is None and tool not in room.waiting):
            if tool.result is None or target is None:
                self._stamp(tool)
            tool.result = result
        if tool in room.waiting:
            if tool is room.waiting[-1]:
                room.waiting_since = event
            return
        if target is None:
            target = self._taker(room)
            if target is None:
                room.waiting.append(tool)
                room.waiting_since = event
                return
            target.tools.append(tool)
        self._tell("message-updated", event["session_id"], target.told())

    def _taker(self, room: Room) -> Said | None:
        if room.open is not None and room.open.role in TAKES_TOOLS:
            return room.open
        for message in reversed(room.messages):
            if message.role == "user":
                return None
            if message.role in TAKES_TOOLS:
                return message
        return None

    # -- turns, sub-sessions, sessions -----------------------------------------------------

    def _user_turn_end(self, _event: Json) -> None:
        self._accept(can_send=False)
        self.turn_ended = self.turn_began = True
        self.was_cancelled = False
        if self.deleted is not None:
            session_id, _, was_user = self.deleted
            self._enter(session_id)
            self.deleted = None
            self.current = session_id
            if was_user and self.user is None:
                self.user = session_id
            self._tell("chat-session-changed", None, session_id)
            self._tell("sessions-updated", self.shown())

    def _accept(self, *, can_send: bool) -> None:
        if self.can_send != can_send:
            self._tell("turn-state-changed", can_send)
        self.can_send = can_send

    def _cancelled(self, _event: Json) -> None:
        self._tell("turn-cancelled")
        ended = [each for each in self.rooms if self._complete(each, "cancelled", "cancelled")]
        for session_id, tool in self._of(None):
            self._remove(session_id, tool)
        self._tell("response-cancelled", ended)
        self.begun_anew = set()
        self.was_cancelled = self.turn_began

    def _user_turn_start(self, _event: Json) -> None:
        self._accept(can_send=True)
        decided = [
            room
            for room in self.rooms.values()
            if room.listed is not None and not (room.asked and self.turn_ended)
        ]
        replaced = [room for room in decided if room.whole]
        for each, room in self.rooms.items():
            cut = room.at_work or (room.open is not None and room.open.cut)
            if room not in decided and self._runs(room) and not (cut or self.was_cancelled):
                room.turns += 1
            if cut or (room in decided and not room.whole):
                self._complete(each, "interrupted", "interrupted")
            else:
                self._complete(each)
        for each, room in self.rooms.items():
            if room not in replaced:
                self._flush(each)
        for each, room in self.rooms.items():
            if room in replaced:
                room.messages, room.waiting = room.listed or [], []
                room.users = sum(message.role == "user" for message in room.messages)
                room.turns = 0
                self._tell("session-messages-loaded", each, [m.told() for m in room.messages])
            room.listed, room.turn, room.stirred, room.asked = None, [], False, False
        while self.delegations:
            session_id, _, depth = self.delegations.pop()
            self._tell("subsession-ended", session_id, depth)
        for session_id, tool in self._of(None):
            self._leave(session_id, tool, "cleared")
        self.begun_anew = None
        self.turn_ended = self.turn_began = self.was_cancelled = False
        self._tell("all-notifications-cleared")

    def _runs(self, room: Room) -> bool:
        return room.stirred or (room.asked and self.turn_ended)

    def _subsession_started(self, event: Json) -> None:
        self._enter(event["session_id"])
        user = event["user_session_id"] or self.user or event["session_id"]
        depth = 1 + sum(stack == user for _, stack, _ in self.delegations)
        self.delegations.append((event["session_id"], user, depth))
        self._tell("subsession-started", event["session_id"], depth)

    def _subsession_ended(self, event: Json) -> None:
        user = event["user_session_id"] or self.user or event["session_id"]
        for i in reversed(range(len(self.delegations))):
            session_id, stack, depth = self.delegations[i]
            if stack == user:
                del self.delegations[i]
                self._tell("subsession-ended", session_id, depth)
                return
        self._tell("subsession-ended", event["session_id"], 0)

    def _system_message(self, event: Json) -> None:
        self._tell("system-notification", event["session_id"], event["content"])

    def _chat_session_changed(self, event: Json) -> None:
        session = event["chat_session"]
        session_id, previous = session["session_id"], self.current
        self.deleted = None
        room = self._enter(session_id)
        listed = []
        for each in session["messages"]:
            self._number += 1
            listed.append(Said(self._number, each["role"], each["content"]))
        users = [message.content for message in listed if message.role == "user"]
        room.messages = list(listed)
        room.listed = None
        if self._runs(room):
            asked = [message.content for message in room.turn if message.role == "user"]
            room.whole = len(users) > room.users + room.turns and users[-1:] == (
                asked[-1:] or users[-1:]
            )
            room.messages += room.turn
            room.listed, room.stirred = listed, True
        else:
            room.turn = []
        room.asked = False
        if room.listed is None or not room.whole:
            room.users, room.turns = len(users), 0
        if session["token_count"] or not listed:
            room.spent = (0, 0, session["token_count"])
        self.current = self.user = session_id
        self._tell("chat-session-changed", previous, session_id)
        self._tell("sessions-updated", self.shown())
        self._tell("session-messages-loaded", session_id, [m.told() for m in room.messages])

    def _delete_chat_session(self, event: Json) -> None:
        session_id = event.get("session_id") or self.current
        if session_id not in self.rooms:
            return
        self._complete(session_id)
        for _, tool in self._of(session_id):
            self._remove(session_id, tool)
        room = self.rooms.pop(session_id)
        self._tell("session-cleared", session_id)
        was_user = self.user == session_id
        if was_user:
            self.user = None
        if session_id == self.current:
            self.deleted = (session_id, room, was_user)
            self.current = None
            self._tell("chat-session-changed", session_id, None)
        self._tell("sessions-updated", self.shown())


def whole(text: str) -> tuple[str, str]:
    """Return valid text, and the half at its end that the next delta may complete."""
    made, half = "", ""
    for char in text:
        if half and "\udc00" <= char <= "\udfff":
            made += (half + char).encode("utf-16", "surrogatepass").decode("utf-16")
            half = ""
            continue
        made += "\ufffd" if half else ""
        half = ""
        if "\ud800" <= char <= "\udbff":
            half = char
        else:
            made += "\ufffd" if "\udc00" <= char <= "\udfff" else char
    return made, half
