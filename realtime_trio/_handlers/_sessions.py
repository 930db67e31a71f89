"""Session manager: the sessions and the server's lists of their messages (§8 S1-S4)."""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeGuard

import attrs

from .._core import _constructors as make
from .._core._local_events import SessionsWipedEvent
from .._core._messages import Content, Message, moment
from .._core._notifications import AllSessionsCleared
from .._core._records import SEEN_LIMIT, CallStage, KnownCall, Record, SessionDraft
from .._core._state import TextSlice
from .._core._values import Log, Recent, evolve
from ..events import (
    AgentConfigurationChangedEvent,
    ChatSession,
    ChatSessionChangedEvent,
    ChatSessionDeletedEvent,
    ChatSessionNameChangedEvent,
    CompleteThoughtEvent,
    DeleteChatSessionEvent,
    HistoryDeltaEvent,
    HistoryEvent,
    Lane,
    SessionMetadataChangedEvent,
    SystemPromptEvent,
    UserRequestEvent,
)
from ._attach import kept_calls, record_listed, record_moved
from ._delegations import Expansion
from ._fold import Handled, fold_event, not_folded
from ._transaction import TextTransaction, begin
from ._turn import has_run

if TYPE_CHECKING:
    from .._core.vendors._history import DelegationStarted

# They repeat known facts (§7), or announce later events.
not_folded(
    Lane.TEXT,
    [CompleteThoughtEvent, HistoryEvent, HistoryDeltaEvent, SystemPromptEvent, UserRequestEvent],
)


@fold_event(ChatSessionChangedEvent, Lane.TEXT)
def chat_session_changed(slice_: TextSlice, event: ChatSessionChangedEvent) -> Handled[TextSlice]:
    """Change the current session and load the server's list of its messages (§8 S1)."""
    session = event.chat_session
    if session is None:
        note = make.system_notification(
            type="error",
            severity="error",
            content="The server changed to a session without saying which",
        )
        return slice_, (note,)
    txn = begin(slice_)
    previous = slice_.current_session_id
    txn.conversation.deleted = None
    txn.conversation.deleted_record = None
    txn.conversation.away = False
    draft = txn.ensure(session.session_id)
    draft.parent_session_id = None
    draft.user_session_id = session.session_id
    _load(txn, draft, session)
    txn.conversation.current_session_id = session.session_id
    txn.conversation.user_session_id = session.session_id
    txn.evict()
    txn.emit(
        make.chat_session_changed(
            previous_session_id=previous, current_session_id=session.session_id
        )
    )
    _announce_sessions(txn)
    loaded = tuple(draft.messages)
    txn.emit(make.session_messages_loaded(session_id=session.session_id, messages=loaded))
    return txn.done()


@attrs.frozen(slots=True)
class _UserMessages:
    """The user's messages in a list, except sub-sessions': their number and the last one."""

    count: int = 0
    last: Content | None = None


def _load(txn: TextTransaction, draft: SessionDraft, session: ChatSession) -> None:
    """Replace a session's messages by the server's list.

    The list holds finished turns only, so the messages of a running turn stay after it.
    """
    session_id = session.session_id
    running = has_run(txn, draft)
    kept: tuple[Message, ...] = ()
    if running and draft.turn_from >= 0:
        kept = draft.messages[max(0, draft.turn_from - draft.messages.dropped) :]
    draft.messages = Log[Message]()
    draft.target = draft.turn_from = draft.user_message_from = draft.loaded = -1
    draft.has_events = running
    draft.has_user_message = False
    draft.name = session.session_name
    draft.metadata = session.metadata
    draft.vendor = session.vendor
    draft.agent = session.agent_config
    if session.token_count or not session.messages:  # otherwise the server does not count tokens
        draft.input_tokens = draft.output_tokens = 0
        draft.token_count = session.token_count
    user_messages = _append_history(txn, session, kept_calls(txn, session_id, kept))
    if running:
        _continue_after_list(txn, draft, user_messages, kept)
    else:
        draft.users = user_messages.count
        draft.turns = 0
    open_message = txn.open.get(session_id)
    if open_message is not None:
        record_moved(txn, open_message.head, draft.messages.end)


def _continue_after_list(
    txn: TextTransaction,
    session: SessionDraft,
    user_messages: _UserMessages,
    kept: tuple[Message, ...],
) -> None:
    """Continue the running turn after the list, unless the list turns out to hold it (§8 S1)."""
    said = [message.content for message in kept if message.role == "user"]
    finished = session.users + session.turns
    whole = user_messages.count > finished and (not said or user_messages.last == said[-1])
    if not whole:
        session.users = user_messages.count
        session.turns = 0
    session.loaded = session.turn_from = session.messages.end
    session.loaded_target = session.target
    session.loaded_users = user_messages.count
    session.loaded_whole = whole
    for message in kept:
        record_moved(txn, message, session.messages.end)
        txn.append(message)
    open_message = txn.open.get(session.id)
    if open_message is not None:
        txn.set_open(session.id, evolve(open_message, touched=0))


def _append_history(
    txn: TextTransaction, session: ChatSession, own: frozenset[str]
) -> _UserMessages:
    if not session.messages:
        return _UserMessages()
    # The history code is imported when the first history arrives.
    from .._core.vendors._history import DelegationStarted, HistoryMessage, convert_history

    expansion = Expansion(txn, session.session_id)
    history = convert_history(
        session.messages,
        session.vendor,
        session_id=session.session_id,
        new_id=txn.new_id,
        timestamp=moment(txn.now),
        expands=expansion.expands,
    )
    to_announce = iter(expansion.to_announce)
    user_messages, depth, announces = _UserMessages(), 0, False
    for item in history:
        if isinstance(item, HistoryMessage):
            position = txn.record(item.message.session_id).messages.end
            record_listed(txn, item.message, position, own)
            txn.store(item.message, foreign=item.foreign)
            if item.message.role == "user" and not item.foreign:
                user_messages = _UserMessages(user_messages.count + 1, item.message.content)
        elif isinstance(item, DelegationStarted):
            depth += 1
            announces = next(to_announce)
            if announces:
                _delegation_started(txn, session, item, depth)
        else:
            if announces:
                _delegation_ended(txn, session.session_id, depth)
            depth -= 1
    return user_messages


def _delegation_ended(txn: TextTransaction, session_id: str, depth: int) -> None:
    txn.emit(
        make.subsession_ended(
            session_id=session_id,
            parent_session_id=None,
            user_session_id=session_id,
            depth=depth,
        )
    )


def _delegation_started(
    txn: TextTransaction, session: ChatSession, item: DelegationStarted, depth: int
) -> None:
    agent = session.agent_config
    txn.emit(
        make.subsession_started(
            session_id=session.session_id,
            parent_session_id=None,
            user_session_id=session.session_id,
            sub_session_type=item.sub_session_type,
            sub_agent_type=item.sub_agent_type,
            prime_agent_key=agent.key if agent is not None else None,
            sub_agent_key=item.sub_agent_key,
            depth=depth,
        )
    )


def _announce_sessions(txn: TextTransaction) -> None:
    txn.emit(make.sessions_updated(session_ids=txn.shown()))


@fold_event(ChatSessionNameChangedEvent, Lane.TEXT)
def chat_session_name_changed(
    slice_: TextSlice, event: ChatSessionNameChangedEvent
) -> Handled[TextSlice]:
    """Rename a session (§8 S3)."""
    session_id = event.session_id or slice_.current_session_id
    if not _is_kept(session_id, slice_):
        return slice_, ()
    txn = begin(slice_)
    txn.ensure(session_id).name = event.session_name
    _announce_sessions(txn)
    return txn.done()


@fold_event(SessionMetadataChangedEvent, Lane.TEXT)
def session_metadata_changed(
    slice_: TextSlice, event: SessionMetadataChangedEvent
) -> Handled[TextSlice]:
    """Set the current session's metadata (§8 S3)."""
    session_id = slice_.current_session_id
    if not _is_kept(session_id, slice_):
        return slice_, ()
    txn = begin(slice_)
    txn.ensure(session_id).metadata = event.meta
    _announce_sessions(txn)
    return txn.done()


def _is_kept(session_id: str | None, slice_: TextSlice) -> TypeGuard[str]:
    """Whether a session is known, or was deleted and can return (§8 S3)."""
    deleted = slice_.rest.deleted_record
    return session_id in slice_.rest.records or (deleted is not None and session_id == deleted.id)


@fold_event(AgentConfigurationChangedEvent, Lane.TEXT)
def agent_configuration_changed(
    slice_: TextSlice, event: AgentConfigurationChangedEvent
) -> Handled[TextSlice]:
    """Set the current session's agent."""
    session_id = slice_.current_session_id
    if session_id is None or session_id not in slice_.rest.records:
        return slice_, ()
    txn = begin(slice_)
    txn.session(session_id).agent = event.agent_config
    return txn.done()


@fold_event(ChatSessionDeletedEvent, Lane.TEXT)
def chat_session_deleted(slice_: TextSlice, event: ChatSessionDeletedEvent) -> Handled[TextSlice]:
    """Delete a session (§8 S3)."""
    return _deleted(slice_, event.session_id)


@fold_event(DeleteChatSessionEvent, Lane.TEXT)
def delete_chat_session(slice_: TextSlice, event: DeleteChatSessionEvent) -> Handled[TextSlice]:
    """Delete a session (the event that real servers send)."""
    return _deleted(slice_, event.session_id)


def _deleted(slice_: TextSlice, named: str | None) -> Handled[TextSlice]:
    current = slice_.current_session_id
    session_id = named or current
    if session_id is None or session_id not in slice_.rest.records:
        return slice_, ()
    txn = begin(slice_)
    record = txn.forget(session_id)
    is_user = session_id == slice_.user_session_id
    if is_user:
        txn.conversation.user_session_id = None
    if session_id == current:  # the server may continue in it nevertheless
        txn.conversation.current_session_id = None
        txn.conversation.deleted = session_id
        txn.conversation.deleted_record = record
        txn.conversation.deleted_was_user = is_user
        txn.emit(make.chat_session_changed(previous_session_id=current, current_session_id=None))
    _announce_sessions(txn)
    return txn.done()


def reset(slice_: TextSlice) -> TextSlice:
    """Discard unfinished work and emit nothing; sessions and stored messages stay.

    This is the only exception to rule M4 (design.md, "The sans-IO core"). A running turn and a
    cancel in progress belong to the server, so their state stays.
    """
    records = {session_id: _without_work(each) for session_id, each in slice_.rest.records.items()}
    fresh = TextSlice().rest
    rest = evolve(slice_.rest, records=records, tools={}, subsessions=(), seen=fresh.seen)
    return TextSlice(rest, {}, slice_.tick, slice_.now)


def _without_work(record: Record) -> Record:
    """Return a record without running and waiting tools; completed tools keep their messages."""
    calls: Recent[str, KnownCall] = Recent(SEEN_LIMIT)
    for call_id, known in record.calls.items():
        calls = calls.set(
            call_id, evolve(known, stage=CallStage.FORGOTTEN, call=None, start_mark=None)
        )
    return evolve(record, waiting=(), calls=calls)


@fold_event(SessionsWipedEvent, Lane.TEXT)
def sessions_wiped(slice_: TextSlice, _event: SessionsWipedEvent) -> Handled[TextSlice]:
    """Clear all sessions; their open messages are completed first (§8 M4)."""
    txn = begin(slice_)
    for session_id in txn.open_sessions():
        txn.complete(session_id)
    txn.remove_tools()
    txn.forget_all()
    txn.emit(AllSessionsCleared())
    return txn.done()
