"""A transaction on the text slice: the changes that one event makes.

Handlers are pure, but one event may complete a message, start another and move a tool.
A :class:`TextTransaction` collects these changes in drafts and builds the new slice at the
end, so that each part of the slice is built at most once.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

import msgspec

from .._core import _constructors as make
from .._core._messages import (
    ASSISTANT,
    NO_METADATA,
    THOUGHT,
    Message,
    MessageMetadata,
    MessageStatus,
    OpenMessage,
)
from .._core._notifications import Notification, SessionCleared, ToolNotificationRemoved
from .._core._recency import SessionOrder
from .._core._records import CallStage, KnownCall, Record, SessionDraft, differs
from .._core._state import ActiveTool, ConversationDraft, ConversationRecord, TextSlice
from .._core._table import Keys
from .._core._unicode import REPLACEMENT
from .._core._values import evolve, freeze, thaw
from ..events import SessionEvent

__all__ = ["INTERRUPTED", "TOOL_ROLES", "TextTransaction", "begin"]

# Only messages with these roles take tools (§8 T4).
TOOL_ROLES = (ASSISTANT, THOUGHT)
INTERRUPTED = MessageMetadata(stop_reason="interrupted")

# Maximum number of sessions tracked while a cancel is in progress. Above it, the deltas of all
# sessions are accepted again: a lost answer is worse than a late one.
FENCE_LIMIT = 1024


class TextTransaction(msgspec.Struct, gc=False):
    """Collects the changes that one event makes to the text slice.

    ``conversation`` is the draft of the conversation, and :meth:`session` returns the draft of a
    session: read and assign their attributes. :meth:`record` returns a session to read, which makes
    no draft. ``records`` holds the sessions before this event, for their ids and their order.
    :meth:`done` builds the new slice; the drafts are frozen from then on.

    Every event but a delta makes one, with :func:`begin`. It is a struct, since those are created
    in C.
    """

    _base: TextSlice
    conversation: ConversationDraft
    records: Mapping[str, Record]
    tick: int
    _emitted: list[Notification]
    emit: Callable[[Notification], None]
    _sessions: dict[str, SessionDraft] = {}
    _open: dict[str, OpenMessage] | None = None
    _tools: dict[tuple[str, str], ActiveTool] | None = None

    @property
    def now(self) -> float:
        """The time of the event, in seconds since 1970."""
        return self._base.now

    def new_id(self, prefix: str = "m") -> str:
        """Return the next generated id."""
        number = self.conversation.next_id
        self.conversation.next_id = number + 1
        return f"{prefix}{number}"

    # -- sessions --------------------------------------------------------------------------

    def ensure(self, session_id: str) -> SessionDraft:
        """Return a session, create it if it is new (§8 M7), and mark it as used."""
        if session_id not in self.records:
            self._create(session_id)
        session = self.session(session_id)
        session.touched = self.tick
        return session

    def _create(self, session_id: str) -> None:
        """Create a session. The session without an id then completes its message (§2 L2)."""
        if session_id:
            self.complete("")
        record = Record(id=session_id, exists=session_id != "")
        kept = self.conversation.deleted_record
        if kept is not None and kept.id == session_id:  # an event restores it (§8 S3)
            record = kept
            self.conversation.deleted_record = None
        self.records = {**self.records, session_id: record}
        self.conversation.order = self.conversation.order.add(session_id, self.tick)

    def ensure_for(self, event: SessionEvent, *, exists: bool = False) -> SessionDraft:
        """Return the session of an event. ``exists``: the event makes it visible (§2 L2)."""
        session_id = event.session_id
        session = self.ensure(session_id)
        user_session_id = event.user_session_id
        if user_session_id:  # an empty one is a missing one, as for messages
            session.parent_session_id = event.parent_session_id
            session.user_session_id = user_session_id
        if exists and not session_id and not session.exists:
            session.exists = True  # it takes its position in the order now
            self.records = {**{k: v for k, v in self.records.items() if k}, "": self.records[""]}
            self.conversation.order = self.conversation.order.add("", self.tick)
        return session

    def ensure_stream(self, event: SessionEvent, *, exists: bool = False) -> SessionDraft:
        """Return the session of an event of its stream (see :meth:`stream_event`)."""
        session = self.ensure_for(event, exists=exists)
        session.has_events = True
        session.loaded = -1
        return session

    def shown(self) -> Sequence[str]:
        """Return the ids of the sessions that an application sees, as a sequence built on read."""
        if "" not in self.records or "" in self.open or self.record("").messages:
            return self.conversation.order.ids.keys
        return Keys(self.conversation.order.ids, hidden="")

    def session(self, session_id: str) -> SessionDraft:
        """Return the draft of a session; ``KeyError`` if the session is unknown."""
        draft = self._sessions.get(session_id)
        if draft is None:
            draft = self._sessions[session_id] = thaw(self.records[session_id], SessionDraft)
        return draft

    def record(self, session_id: str) -> Record:
        """Return a session with the changes so far, to read; ``KeyError`` if it is unknown.

        It is the draft if there is one, which has the same fields.
        """
        return self._sessions.get(session_id) or self.records[session_id]  # type: ignore[return-value]

    def stream_event(self, session_id: str) -> None:
        """Record an event of a session's stream: its turn runs, even if a list ended it (§8 S1)."""
        if session_id in self.records:
            session = self.session(session_id)
            session.has_events = True
            session.loaded = -1

    def forget(self, session_id: str) -> Record:
        """Remove a session, emit this, and return its record.

        Its open message is completed first (§8 M4).
        """
        self.complete(session_id)
        self.remove_tools(session_id)
        records = dict(self.records)
        record = freeze(self.session(session_id), Record)
        del records[session_id], self._sessions[session_id]
        self.records = records
        self.conversation.order = self.conversation.order.discard(session_id)
        self.emit(SessionCleared(session_id=session_id))
        return record

    def forget_all(self) -> None:
        """Remove all sessions and emit nothing. They must have no open message."""
        self._sessions.clear()
        self.records = {}
        self.conversation.order = SessionOrder()
        self.conversation.current_session_id = None
        self.conversation.deleted = None
        self.conversation.deleted_record = None

    def is_sub(self, event: SessionEvent) -> bool:
        """Whether an event belongs to a sub-session (§8 U3)."""
        user = event.user_session_id or self.conversation.user_session_id
        return user is not None and user != event.session_id

    # -- messages --------------------------------------------------------------------------

    @property
    def open(self) -> Mapping[str, OpenMessage]:
        """The messages under construction by session."""
        return self._base.open if self._open is None else self._open

    def open_sessions(self) -> tuple[str, ...]:
        """Return the sessions with a message under construction, in session order (§8 M7).

        The table of open messages has a different order: a new message goes to its end.
        """
        opened = self.open
        return tuple([each for each in self.records if each in opened]) if opened else ()

    def set_open(self, session_id: str, message: OpenMessage | None) -> None:
        """Replace or remove a session's message under construction."""
        if self._open is None:
            self._open = dict(self._base.open)
        if message is None:
            self._open.pop(session_id, None)
        else:
            self._open[session_id] = message

    def append(self, message: Message) -> None:
        """Store a message of its session's running turn."""
        session = self.session(message.session_id)
        position = session.messages.end
        if session.turn_from < 0:
            session.turn_from = position
        if message.role == "user" and session.user_message_from < 0:
            session.user_message_from = position
        self._store(session, position, message)

    def store(self, message: Message, *, foreign: bool = False) -> None:
        """Store a message of any turn.

        A ``foreign`` message belongs to a sub-session: it neither takes tools nor changes which
        message takes them.
        """
        session = self.session(message.session_id)
        self._store(session, session.messages.end, message, foreign=foreign)

    def _store(
        self, session: SessionDraft, position: int, message: Message, *, foreign: bool = False
    ) -> None:
        limit = self.conversation.limits.max_messages
        session.messages = session.messages.append(message).keep_last(limit)
        if foreign:
            return
        if message.role == "user":
            session.target = -1
        elif message.role in TOOL_ROLES:
            session.target = position

    def complete(
        self,
        session_id: str,
        status: MessageStatus = "complete",
        metadata: MessageMetadata = NO_METADATA,
    ) -> Message | None:
        """Finish a session's open message, store it and emit it as stored (§8 M1)."""
        open_messages = self._base.open if self._open is None else self._open
        open_message = open_messages.get(session_id)
        if open_message is None:
            return None
        self.set_open(session_id, None)
        if open_message.touched:  # deltas on the fast path do not set this
            self.stream_event(session_id)
        if open_message.half:  # its other half never arrived (§2 L4)
            self.emit(make.streaming(session_id, open_message.id, open_message.role, REPLACEMENT))
            open_message = evolve(open_message, text=open_message.text.append(REPLACEMENT))
        message = open_message.finish(status, metadata)
        self.append(message)
        self.emit(make.message_complete(session_id=session_id, message=message))
        return message

    # -- tools -----------------------------------------------------------------------------

    @property
    def tools(self) -> dict[tuple[str, str], ActiveTool]:
        """Return the active tools, for changes."""
        if self._tools is None:
            self._tools = dict(self.conversation.tools)
        return self._tools

    @property
    def active(self) -> Mapping[tuple[str, str], ActiveTool]:
        """Return the active tools, read-only."""
        return self.conversation.tools if self._tools is None else self._tools

    def known(self, key: tuple[str, str]) -> KnownCall | None:
        """Return the record of the latest call of an id."""
        return self.record(key[0]).calls.get(key[1])

    def note(self, key: tuple[str, str], known: KnownCall) -> None:
        """Store the record of a call."""
        session = self.session(key[0])
        session.calls = session.calls.set(key[1], known)

    def leave_tool(self, key: tuple[str, str], stage: CallStage) -> None:
        """Record that a tool is no longer active, and how it ended (§8 T1)."""
        if key in self.active:
            del self.tools[key]
        known = self.known(key) or KnownCall(CallStage.FORGOTTEN)
        ended = known.stage >= CallStage.CLEARED
        since = known.since if ended else self.record(key[0]).completions
        call = None if stage is CallStage.ENDED else known.call
        self.note(key, evolve(known, stage=stage, call=call, since=since))

    def remove_tool(self, key: tuple[str, str]) -> None:
        """End an active tool that has not completed, and emit this; it cannot complete later."""
        self.leave_tool(key, CallStage.REMOVED)
        self.emit(ToolNotificationRemoved(session_id=key[0], id=key[1]))

    def remove_tools(self, session_id: str | None = None) -> None:
        """End the active tools of a session, or of all, and emit each."""
        for key in self._active_keys(session_id):
            self.remove_tool(key)

    def clear_tools(self, session_id: str | None = None) -> None:
        """End the active tools of a session, or of all, and emit nothing for each (§8 T5)."""
        for key in self._active_keys(session_id):
            self.leave_tool(key, CallStage.CLEARED)

    def _active_keys(self, session_id: str | None) -> Sequence[tuple[str, str]]:
        active = self.conversation.tools if self._tools is None else self._tools
        if not active:
            return ()
        return [key for key in active if session_id is None or key[0] == session_id]

    # -- late events -----------------------------------------------------------------------

    def is_late(self, session_id: str) -> bool:
        """Whether a delta of this session is late, after a cancel (§8 M5)."""
        fence = self.conversation.fence
        return fence is not None and session_id not in fence

    def accept_deltas(self, session_id: str) -> None:
        """Accept this session's deltas again."""
        fence = self.conversation.fence
        if fence is not None:
            below = len(fence) < FENCE_LIMIT
            self.conversation.fence = fence | {session_id} if below else None

    def discard(self, session_id: str) -> tuple[TextSlice, tuple[Notification, ...]]:
        """Count the event as late. It only shows that its turn had not ended."""
        self.conversation.late_deltas += 1
        self.stream_event(session_id)
        return self.done()

    # -- the end ---------------------------------------------------------------------------

    def evict(self) -> None:
        """Evict the least recently used sessions above the limit, never the current one (§8 S4)."""
        to_come = "" in self.records and not self.record("").exists  # §2 L2
        while len(self.records) - to_come > self.conversation.limits.max_sessions:
            oldest, self.conversation.order = self.conversation.order.pop(self._last_use)
            self.forget(oldest)

    def _last_use(self, session_id: str) -> int | None:
        stays = session_id == self.conversation.current_session_id
        if stays or not (session_id or self.record("").exists):
            return None
        touched = self.record(session_id).touched
        open_message = self.open.get(session_id)
        return touched if open_message is None else max(touched, open_message.touched)

    def done(self) -> tuple[TextSlice, tuple[Notification, ...]]:
        """Return the new slice and the notifications to emit."""
        conversation, base = self.conversation, self._base
        if len(self.records) > conversation.limits.max_sessions:
            self.evict()
        if self._sessions or self.records is not conversation.records:
            conversation.records = self._built_records()
        if self._tools is not None:
            conversation.tools = self._tools
        rest = freeze(conversation, ConversationRecord)
        open_ = base.open if self._open is None else self._open
        return TextSlice(rest, open_, self.tick, base.now), tuple(self._emitted)

    def _built_records(self) -> Mapping[str, Record]:
        """Build the sessions' records; a session whose draft is unchanged keeps its record."""
        records = self.records
        changed: dict[str, Record] = {}
        for session_id, draft in self._sessions.items():
            record = records[session_id]
            if draft.touched != record.touched or differs(draft, record):
                changed[session_id] = freeze(draft, Record)
        if not changed:
            return records
        return changed if len(records) == 1 else {**records, **changed}


def begin(slice_: TextSlice) -> TextTransaction:
    """Begin a transaction on a slice."""
    rest = slice_.rest
    emitted: list[Notification] = []
    return TextTransaction(
        slice_,
        thaw(rest, ConversationDraft),
        rest.records,
        slice_.tick + 1,
        emitted,
        emitted.append,
    )
