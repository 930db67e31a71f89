"""A text slice while one event is being folded into it.

Handlers are pure, but one event may complete a message, start another and move a tool at
once. An :class:`Edit` collects those changes and makes the new slice in the end, so each
part of the slice is built anew once at most.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from .._core._messages import (
    ASSISTANT,
    NO_METADATA,
    THOUGHT,
    Message,
    MessageMetadata,
    MessageStatus,
    OpenMessage,
    moment,
)
from .._core._notifications import (
    MessageComplete,
    MessageStreaming,
    Notification,
    SessionCleared,
    ToolNotificationRemoved,
)
from .._core._records import KnownCall, Record, Stage
from .._core._state import ActiveTool, Conversation, TextSlice
from .._core._unicode import REPLACEMENT
from .._core._values import Log, Recent, evolve
from ..events import SessionEvent

__all__ = ["INTERRUPTED", "TOOL_ROLES", "Edit"]

# Only messages of these roles take tools (§8 T4).
TOOL_ROLES = (ASSISTANT, THOUGHT)
INTERRUPTED = MessageMetadata(stop_reason="interrupted")

# Bound on the sessions that are told apart while a cancel is carried out; beyond it the
# deltas of every session count again, for a lost answer is worse than a late one.
FENCE_LIMIT = 1024


class Edit:
    """Collects the changes of one event. ``notes`` is what the application will be told.

    ``records`` are the sessions; one that this edit has changed is read with :meth:`value`.
    """

    __slots__ = (
        "_base",
        "_changes",
        "_open",
        "_records",
        "_tools",
        "notes",
        "records",
        "rest",
        "tick",
    )

    def __init__(self, slice_: TextSlice) -> None:
        self._base = slice_
        self.rest: Conversation = slice_.rest
        self.records: Mapping[str, Record] = slice_.rest.records
        self.tick = slice_.tick + 1
        self.notes: list[Notification] = []
        self._changes: dict[str, Any] = {}
        self._records: dict[str, dict[str, Any]] = {}
        self._open: dict[str, OpenMessage] | None = None
        self._tools: dict[tuple[str, str], ActiveTool] | None = None

    # --- the slice's own values -----------------------------------------------------------

    def get(self, name: str) -> Any:
        """A value of the conversation as it stands now."""
        return self._changes[name] if name in self._changes else getattr(self.rest, name)

    def set(self, **changes: Any) -> None:
        """Change values of the conversation."""
        self._changes.update(changes)

    @property
    def now(self) -> float:
        """The time of the event, in seconds since 1970."""
        return self._base.now

    def new_id(self, prefix: str = "m") -> str:
        """The next id that the library makes."""
        number: int = self.get("next_id")
        self._changes["next_id"] = number + 1
        return f"{prefix}{number}"

    # --- sessions -------------------------------------------------------------------------

    def ensure(
        self,
        session_id: str,
        parent_session_id: str | None = None,
        user_session_id: str | None = None,
    ) -> None:
        """Make a session that is not known yet (§8 M7), and mark it as used."""
        record = self.records.get(session_id)
        if record is None:
            record = self._arrive(session_id)
        self._records.setdefault(session_id, {})["touched"] = self.tick
        if user_session_id is not None and (
            record.user_session_id != user_session_id
            or record.parent_session_id != parent_session_id
        ):
            self.put(
                session_id, parent_session_id=parent_session_id, user_session_id=user_session_id
            )

    def _arrive(self, session_id: str) -> Record:
        """A session becomes known: the one without an id ends what it has open (§2 L2)."""
        if session_id:
            self.complete("")
        record = Record(id=session_id, exists=session_id != "")
        kept: Record | None = self.get("deleted_record")
        if kept is not None and kept.id == session_id:  # an event brings it back (§8 S3)
            record = kept
            self.set(deleted_record=None)
        self.records = {**self.records, session_id: record}
        return record

    def ensure_for(self, event: SessionEvent, *, exists: bool = False) -> None:
        """Make the session of an event. ``exists``: it is one that lets it be seen (§2 L2)."""
        session_id = event.session_id
        self.ensure(session_id, event.parent_session_id, event.user_session_id)
        if exists and not session_id and not self.value("", "exists"):
            self.put("", exists=True)  # from here on it has its place among the others
            self.records = {**{k: v for k, v in self.records.items() if k}, "": self.records[""]}

    def shown(self) -> tuple[str, ...]:
        """The ids of the sessions that an application sees."""
        if "" not in self.records or "" in self.open or self.value("", "messages"):
            return tuple(self.records)
        return tuple(session_id for session_id in self.records if session_id)

    def value(self, session_id: str, name: str) -> Any:
        """A value of a session as it stands now."""
        pending = self._records.get(session_id)
        if pending is not None and name in pending:
            return pending[name]
        return getattr(self.records[session_id], name)

    def put(self, session_id: str, **changes: Any) -> None:
        """Change values of a session."""
        known = self._records.get(session_id)
        if known is None:
            self._records[session_id] = changes
        else:
            known.update(changes)

    def stream_event(self, session_id: str) -> None:
        """Note an event of a session's stream: its turn runs, whatever a list said (§8 S1)."""
        if session_id not in self.records:
            return
        if not self.value(session_id, "stirred"):
            self.put(session_id, stirred=True)
        if self.value(session_id, "loaded") >= 0:
            self.put(session_id, loaded=-1)

    def forget(self, session_id: str) -> Record:
        """Take a session out, announced; what it has open is completed first (§8 M4).

        Gives what was kept of it.
        """
        self.complete(session_id)
        self.remove_tools(session_id)
        records = dict(self.records)
        record = evolve(records.pop(session_id), **self._records.pop(session_id, {}))
        self.records = records
        self.notes.append(SessionCleared(session_id=session_id))
        return record

    def forget_all(self) -> None:
        """Take every session out, unannounced. Nothing is open in them any more."""
        self._records.clear()
        self.records = {}
        self.set(current_session_id=None, deleted=None, deleted_record=None)

    def is_sub(self, event: SessionEvent) -> bool:
        """Whether an event is of a sub-session (§8 U3)."""
        user: str | None = event.user_session_id or self.get("user_session_id")
        return user is not None and user != event.session_id

    # --- messages -------------------------------------------------------------------------

    @property
    def open(self) -> Mapping[str, OpenMessage]:
        """The messages under construction by session."""
        return self._base.open if self._open is None else self._open

    def open_sessions(self) -> tuple[str, ...]:
        """The sessions with a message under construction, in their own order (§8 M7).

        The table of open messages has another: a message that follows one goes to its end.
        """
        return tuple(session_id for session_id in self.records if session_id in self.open)

    def set_open(self, session_id: str, message: OpenMessage | None) -> None:
        """Replace or take away a session's message under construction."""
        if self._open is None:
            self._open = dict(self._base.open)
        if message is None:
            self._open.pop(session_id, None)
        else:
            self._open[session_id] = message

    def message_of(self, event: SessionEvent, role: str, **fields: Any) -> Message:
        """A new message with an id of its own, in the session of an event."""
        return self.message_in(
            event.session_id,
            role,
            parent_session_id=event.parent_session_id,
            user_session_id=event.user_session_id,
            **fields,
        )

    def message_in(
        self, session_id: str, role: str, *, user_session_id: str | None, **fields: Any
    ) -> Message:
        """A new message with an id of its own, marked where it is a sub-session's (§8 U3)."""
        user: str | None = user_session_id or self.get("user_session_id")
        sub = user is not None and user != session_id
        return Message(
            id=self.new_id(),
            session_id=session_id,
            role=role,
            timestamp=moment(self.now),
            is_sub_session=sub,
            user_session_id=user if sub else user_session_id,
            **fields,
        )

    def append(self, message: Message) -> None:
        """Store a message of the turn that runs in its session."""
        session_id = message.session_id
        position = self.value(session_id, "messages").end
        if self.value(session_id, "turn_from") < 0:
            self.put(session_id, turn_from=position)
        if message.role == "user" and self.value(session_id, "asked_from") < 0:
            self.put(session_id, asked_from=position)
        self.store(message)

    def store(self, message: Message, *, foreign: bool = False) -> None:
        """Store a message, of whatever turn.

        A ``foreign`` one, of a sub-session, neither takes tools nor ends those that do.
        """
        session_id = message.session_id
        log: Log[Message] = self.value(session_id, "messages")
        position = log.end
        self.put(session_id, messages=log.append(message).keep_last(self.rest.limits.max_messages))
        if foreign:
            return
        if message.role == "user":
            self.put(session_id, target=-1)
        elif message.role in TOOL_ROLES:
            self.put(session_id, target=position)

    def complete(
        self,
        session_id: str,
        status: MessageStatus = "complete",
        metadata: MessageMetadata = NO_METADATA,
    ) -> Message | None:
        """Finish what a session has open, store it and announce it as it is stored (§8 M1)."""
        open_message = self.open.get(session_id)
        if open_message is None:
            return None
        self.set_open(session_id, None)
        if open_message.touched:  # deltas that only made it longer did not say so
            self.stream_event(session_id)
        if open_message.half:  # its other half never came (§2 L4)
            self.notes.append(
                MessageStreaming(
                    session_id=session_id,
                    message_id=open_message.id,
                    role=open_message.role,
                    delta=REPLACEMENT,
                )
            )
            open_message = evolve(open_message, text=open_message.text.append(REPLACEMENT))
        message = open_message.finish(status, metadata)
        self.append(message)
        self.notes.append(MessageComplete(session_id=session_id, message=message))
        return message

    # --- tools ----------------------------------------------------------------------------

    @property
    def tools(self) -> dict[tuple[str, str], ActiveTool]:
        """The active tools, to be changed."""
        if self._tools is None:
            self._tools = dict(self.rest.tools)
        return self._tools

    @property
    def active(self) -> Mapping[tuple[str, str], ActiveTool]:
        """The active tools, to be read."""
        return self.rest.tools if self._tools is None else self._tools

    def known(self, key: tuple[str, str]) -> KnownCall | None:
        """What is known of the latest call of an id."""
        calls: Recent[str, KnownCall] = self.value(key[0], "calls")
        return calls.get(key[1])

    def note(self, key: tuple[str, str], known: KnownCall) -> None:
        """Keep in mind what is known of a call."""
        self.put(key[0], calls=self.value(key[0], "calls").set(key[1], known))

    def leave_tool(self, key: tuple[str, str], stage: Stage) -> None:
        """Note that a tool is not active any more, and how it ended (§8 T1)."""
        if key in self.active:
            del self.tools[key]
        known = self.known(key) or KnownCall(Stage.FORGOTTEN)
        if known.stage < Stage.CLEARED:
            known = evolve(known, since=self.value(key[0], "completions"))
        call = None if stage is Stage.ENDED else known.call
        self.note(key, evolve(known, stage=stage, call=call))

    def remove_tool(self, key: tuple[str, str]) -> None:
        """End an active tool that has not completed, announced; it does not complete any more."""
        self.leave_tool(key, Stage.REMOVED)
        self.notes.append(ToolNotificationRemoved(session_id=key[0], id=key[1]))

    def remove_tools(self, session_id: str | None = None) -> None:
        """End the active tools of a session, or of all, each announced."""
        for key in [k for k in self.active if session_id is None or k[0] == session_id]:
            self.remove_tool(key)

    def clear_tools(self, session_id: str | None = None) -> None:
        """End the active tools of a session, or of all, without a word of each (§8 T5)."""
        for key in [k for k in self.active if session_id is None or k[0] == session_id]:
            self.leave_tool(key, Stage.CLEARED)

    # --- late events ----------------------------------------------------------------------

    def is_late(self, session_id: str) -> bool:
        """Whether a delta of this session comes too late, after a cancel (§8 M5)."""
        fence: frozenset[str] | None = self.get("fence")
        return fence is not None and session_id not in fence

    def lift_fence(self, session_id: str) -> None:
        """From here on this session's deltas count again."""
        fence: frozenset[str] | None = self.get("fence")
        if fence is not None:
            self.set(fence=fence | {session_id} if len(fence) < FENCE_LIMIT else None)

    def discard(self, session_id: str) -> tuple[TextSlice, tuple[Notification, ...]]:
        """Count the event as late. It tells no more than that its turn was not over."""
        self.set(late_deltas=self.rest.late_deltas + 1)
        self.stream_event(session_id)
        return self.done()

    # --- the end --------------------------------------------------------------------------

    def evict(self) -> None:
        """Keep the bound on sessions: the least recently used goes, never the current (§8 S4)."""
        while len(self._existing()) > self.rest.limits.max_sessions:
            current = self.get("current_session_id")
            others = (each for each in self._existing() if each != current)
            self.forget(min(others, key=self._last_use))

    def _existing(self) -> tuple[str, ...]:
        """The sessions without the one that does not exist yet (§2 L2)."""
        return tuple(each for each in self.records if each or self.value(each, "exists"))

    def _last_use(self, session_id: str) -> int:
        touched: int = self.value(session_id, "touched")
        open_message = self.open.get(session_id)
        return touched if open_message is None else max(touched, open_message.touched)

    def done(self) -> tuple[TextSlice, tuple[Notification, ...]]:
        """The new slice, and what to tell."""
        if len(self.records) > self.rest.limits.max_sessions:
            self.evict()
        if self._records:
            records = dict(self.records)
            for session_id, changes in self._records.items():
                records[session_id] = evolve(records[session_id], **changes)
            self.records = records
        if self.records is not self.rest.records:
            self._changes["records"] = self.records
        if self._tools is not None:
            self._changes["tools"] = self._tools
        rest = evolve(self.rest, **self._changes) if self._changes else self.rest
        open_ = self._base.open if self._open is None else self._open
        return TextSlice(rest, open_, self.tick, self._base.now), tuple(self.notes)
