"""The rules once more, as plainly as they can be written: one mutable object a session, no lanes.

It shares no line with the package, keeps nothing short and scans where the package looks up.
What it tells is compared with what the processor tells, event by event. Left out are histories
with tools, the bounds, and ids of tools that come back in a later turn.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import attrs

from .talk import THOUGHT, Json

TAKES_TOOLS = ("assistant", THOUGHT)


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
    tools: dict[str, str | None] = attrs.field(factory=dict)

    def told(self) -> tuple[Any, ...]:
        """As it is compared."""
        return (
            self.number,
            self.role,
            self.content,
            self.status,
            self.stop_reason,
            self.tokens,
            self.is_sub,
            tuple(self.tools.items()),
        )


@attrs.define
class Tool:
    """A tool of the turn: 1 preparing, 2 executing, 3 over."""

    name: str
    stage: int
    active: bool = True


@attrs.define
class Room:
    """A session."""

    messages: list[Said] = attrs.field(factory=list)
    open: Said | None = None
    waiting: dict[str, str | None] = attrs.field(factory=dict)
    waiting_since: Json = attrs.field(factory=dict)
    spent: tuple[int, int, int] = (0, 0, 0)
    turn_from: int | None = None
    # How many messages of a list came, as long as nothing has followed it.
    listed: int | None = None


class Model:
    """Feed it events; each gives what there is to tell."""

    def __init__(self) -> None:
        self.rooms: dict[str, Room] = {}
        self.tools: dict[tuple[str, str], Tool] = {}
        self.delegations: list[tuple[str, str, int]] = []
        self.current: str | None = None
        self.user: str | None = None
        self.can_send = False
        # None, or the sessions that have begun anew since a cancel.
        self.begun_anew: set[str] | None = None
        self.seen: list[tuple[Any, ...]] = []
        self.late = self.duplicates = self._number = 0
        self._told: list[tuple[Any, ...]] = []

    def feed(self, event: Json) -> list[tuple[Any, ...]]:
        """What one event is to tell."""
        self._told = []
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

    # --- what many do ---------------------------------------------------------------------

    def _tell(self, name: str, *payload: Any) -> None:
        self._told.append((name, *payload))

    def _room(self, event: Json) -> Room:
        room = self.rooms.setdefault(event["session_id"], Room())
        room.listed = None
        return room

    def _is_sub(self, event: Json) -> bool:
        user = event.get("user_session_id") or self.user
        return user is not None and user != event["session_id"]

    def _new(self, event: Json, role: str, content: str, status: str = "complete") -> Said:
        self._number += 1
        return Said(self._number, role, content, status, is_sub=self._is_sub(event))

    def _give_waiting(self, room: Room, message: Said) -> None:
        if message.role in TAKES_TOOLS:
            message.tools.update(room.waiting)
            room.waiting = {}

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
        room.messages.append(message)
        self._tell("message-complete", session_id, message.told())
        return True

    def _flush(self, session_id: str) -> None:
        room = self.rooms[session_id]
        if room.waiting:
            message = self._new(room.waiting_since, "assistant", "")
            self._give_waiting(room, message)
            room.messages.append(message)
            self._tell("message-complete", session_id, message.told())

    def _remove(self, key: tuple[str, str]) -> None:
        self.tools[key].active = False
        self.tools[key].stage = 3
        self._tell("tool-notification-removed", *key)

    def active(self, session_id: str | None = None) -> list[tuple[str, str]]:
        """The active tools, of one session or of all."""
        return [
            key for key, tool in self.tools.items() if tool.active and session_id in (None, key[0])
        ]

    def _is_late(self, event: Json) -> bool:
        if self.begun_anew is None or event["session_id"] in self.begun_anew:
            return False
        self.late += 1
        if event["session_id"] in self.rooms:
            self.rooms[event["session_id"]].listed = None
        return True

    def _begins_anew(self, event: Json) -> None:
        if self.begun_anew is not None:
            self.begun_anew.add(event["session_id"])

    # --- messages -------------------------------------------------------------------------

    def _text_delta(self, event: Json) -> None:
        self._delta(event, event["role"])

    def _thought_delta(self, event: Json) -> None:
        self._delta(event, THOUGHT)

    def _delta(self, event: Json, role: str) -> None:
        if self._is_late(event):
            return
        session_id, room = event["session_id"], self._room(event)
        if not event["content"]:
            return
        if role == THOUGHT:
            for key in self.active(session_id):
                if self.tools[key].name == "think":
                    self._remove(key)
        if room.open is not None and room.open.role != role:
            self._complete(session_id)
        if room.open is None:
            room.open = self._new(event, role, "", "streaming")
            self._give_waiting(room, room.open)
        room.open.content += event["content"]
        self._tell("message-streaming", session_id, room.open.number, role, event["content"])

    def _completion(self, event: Json) -> None:
        session_id, room = event["session_id"], self._room(event)
        if event["running"]:
            self._begins_anew(event)
            self._complete(session_id)
            return
        tokens = (event["input_tokens"], event["output_tokens"])
        came, went = tokens[0] or 0, tokens[1] or 0
        spent = room.spent
        room.spent = (spent[0] + came, spent[1] + went, spent[2] + came + went)
        self._complete(session_id, "complete", event["stop_reason"], tokens)

    def _interaction(self, event: Json) -> None:
        session_id = event["session_id"]
        self._room(event)
        if event["started"]:
            self._begins_anew(event)
            self._complete(session_id, "interrupted", "interrupted")
            for key in self.active(session_id):
                self._remove(key)
            return
        self._complete(session_id)
        for key in self.active(session_id):
            self.tools[key].active = False
        self._tell("session-notifications-cleared", session_id)

    def _message(self, event: Json) -> None:
        room = self._room(event)
        self._complete(event["session_id"])
        message = self._new(event, event["role"], event["content"])
        self._give_waiting(room, message)
        room.messages.append(message)
        self._tell("message-complete", event["session_id"], message.told())

    def _anthropic_user_message(self, event: Json) -> None:
        session_id, room = event["session_id"], self._room(event)
        self._complete(session_id, "interrupted", "interrupted")
        self._flush(session_id)
        content = event["message"].get("content")
        message = self._new(event, "user", "[User message]" if content is None else content)
        if room.turn_from is None:
            room.turn_from = len(room.messages)
        room.messages.append(message)
        self._tell("message-added", session_id, message.told())
        self._tell("user-message", session_id, event["message"])

    # --- tools ----------------------------------------------------------------------------

    def _tool_select_delta(self, event: Json) -> None:
        if not event["tool_calls"] or self._is_late(event):
            return
        self._room(event)
        for call in event["tool_calls"]:
            if (event["session_id"], call["id"]) not in self.tools:
                self._announce(event["session_id"], call, "preparing")

    def _announce(self, session_id: str, call: Json, status: str) -> None:
        stage = {"preparing": 1, "executing": 2}[status]
        key = (session_id, call["id"])
        known = self.tools.get(key)
        if known is None or not known.active:
            self.tools.pop(key, None)
        self.tools[key] = Tool(call["name"], stage)
        self._tell("tool-notification", *key, call["name"], status)

    def _tool_call(self, event: Json) -> None:
        if not event["tool_calls"]:
            return
        if event["active"]:
            if not self._is_late(event):
                self._room(event)
                self._run(event)
            return
        announced = self.begun_anew is None or event["session_id"] in self.begun_anew
        self._room(event)
        self._end(event, announced)

    def _others(self, event: Json) -> Iterator[Json]:
        """The calls beside ``think``, which ends here."""
        for call in event["tool_calls"]:
            key = (event["session_id"], call["id"])
            if call["name"] != "think":
                continue
            if key in self.active():
                self._remove(key)
            self.tools[key] = Tool("think", 3, active=False)
        yield from (call for call in event["tool_calls"] if call["name"] != "think")

    def _run(self, event: Json) -> None:
        for call in self._others(event):
            known = self.tools.get((event["session_id"], call["id"]))
            if known is None or known.stage < 2:
                self._announce(event["session_id"], call, "executing")

    def _end(self, event: Json, announced: bool) -> None:
        session_id = event["session_id"]
        calls = list(self._others(event))
        if not calls:
            return
        for call in calls:
            key = (session_id, call["id"])
            known = self.tools.get(key)
            if announced and (known is None or known.stage < 3):
                self._tell("tool-notification", *key, call["name"], "complete")
            self.tools[key] = Tool(call["name"], 3, active=False)
        ids = [call["id"] for call in calls]
        results = {each["tool_use_id"]: each["content"] for each in event["tool_results"]}
        self._tell("tool-call-complete", session_id, ids, [k for k in results if k in ids])
        for each in ids:
            self._attach(event, each, results.get(each))

    def _attach(self, event: Json, call_id: str, result: str | None) -> None:
        room = self.rooms[event["session_id"]]
        if call_id in room.waiting:
            room.waiting[call_id] = result if result is not None else room.waiting[call_id]
            if call_id == list(room.waiting)[-1]:
                room.waiting_since = event
            return
        target = self._has(room, call_id) or self._taker(room)
        if target is None:
            room.waiting[call_id] = result
            room.waiting_since = event
            return
        target.tools[call_id] = result if result is not None else target.tools.get(call_id)
        self._tell("message-updated", event["session_id"], target.told())

    def _has(self, room: Room, call_id: str) -> Said | None:
        told = [*room.messages, *([room.open] if room.open else [])]
        return next((each for each in told if call_id in each.tools), None)

    def _taker(self, room: Room) -> Said | None:
        if room.open is not None and room.open.role in TAKES_TOOLS:
            return room.open
        for message in reversed(room.messages):
            if message.role == "user":
                return None
            if message.role in TAKES_TOOLS:
                return message
        return None

    # --- turns, sub-sessions, sessions ----------------------------------------------------

    def _user_turn_end(self, _event: Json) -> None:
        self._accept(can_send=False)

    def _accept(self, *, can_send: bool) -> None:
        if self.can_send != can_send:
            self._tell("turn-state-changed", can_send)
        self.can_send = can_send

    def _cancelled(self, _event: Json) -> None:
        self._tell("turn-cancelled")
        ended = [each for each in self.rooms if self._complete(each, "cancelled", "cancelled")]
        for key in self.active():
            self._remove(key)
        self._tell("response-cancelled", ended)
        self.begun_anew = set()

    def _user_turn_start(self, _event: Json) -> None:
        self._accept(can_send=True)
        for each in self.rooms:
            self._complete(each)
        for each, room in self.rooms.items():
            if room.listed is None:
                self._flush(each)
        for each, room in self.rooms.items():
            if room.listed is not None:
                room.messages, room.waiting = room.messages[: room.listed], {}
                self._tell("session-messages-loaded", each, [m.told() for m in room.messages])
            room.listed = room.turn_from = None
        while self.delegations:
            session_id, _, depth = self.delegations.pop()
            self._tell("subsession-ended", session_id, depth)
        for key in self.active():
            self.tools[key].active = False
        self.begun_anew = None
        self._tell("all-notifications-cleared")

    def _subsession_started(self, event: Json) -> None:
        self.rooms.setdefault(event["session_id"], Room())
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
        room = self.rooms.setdefault(session_id, Room())
        if room.turn_from is None:
            self._complete(session_id)
        running = [] if room.turn_from is None else room.messages[room.turn_from :]
        listed = []
        for each in session["messages"]:
            self._number += 1
            listed.append(Said(self._number, each["role"], each["content"]))
        room.messages = [*listed, *running]
        if room.turn_from is not None:
            room.turn_from = room.listed = len(listed)
        room.spent = (0, 0, session["token_count"])
        self.current = self.user = session_id
        self._tell("chat-session-changed", previous, session_id)
        self._tell("sessions-updated", list(self.rooms))
        self._tell("session-messages-loaded", session_id, [m.told() for m in room.messages])
