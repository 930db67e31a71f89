"""Session manager: the sessions, and what the server's lists of them hold (§8 S1-S4)."""

from __future__ import annotations

from typing import TYPE_CHECKING

import attrs

from .._core._local import SessionsWipedEvent
from .._core._messages import Content, Message, moment
from .._core._notifications import (
    AllSessionsCleared,
    ChatSessionChanged,
    SessionMessagesLoaded,
    SessionsUpdated,
    SubsessionEnded,
    SubsessionStarted,
    SystemNotification,
)
from .._core._records import SEEN_LIMIT, KnownCall, Record, Stage
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
from ._attach import listed, own_calls
from ._delegations import Unfolding
from ._edit import Edit
from ._fold import Handled, fold_event, not_folded
from ._turn import ran

if TYPE_CHECKING:
    from .._core.vendors._history import DelegationStarted

# They repeat what is known (§7), or order what will be told in other words.
not_folded(
    Lane.TEXT,
    [CompleteThoughtEvent, HistoryEvent, HistoryDeltaEvent, SystemPromptEvent, UserRequestEvent],
)


@fold_event(ChatSessionChangedEvent, Lane.TEXT)
def chat_session_changed(slice_: TextSlice, event: ChatSessionChangedEvent) -> Handled[TextSlice]:
    """Another session is current, with the server's list of its messages (§8 S1)."""
    session = event.chat_session
    if session is None:
        note = SystemNotification(
            type="error",
            severity="error",
            content="The server changed to a session without saying which",
        )
        return slice_, (note,)
    edit = Edit(slice_)
    previous = slice_.current_session_id
    edit.set(deleted=None, deleted_record=None)
    edit.ensure(session.session_id, None, session.session_id)
    _load(edit, session)
    edit.set(current_session_id=session.session_id, user_session_id=session.session_id)
    edit.evict()
    edit.notes.append(
        ChatSessionChanged(previous_session_id=previous, current_session_id=session.session_id)
    )
    _announce_sessions(edit)
    log: Log[Message] = edit.value(session.session_id, "messages")
    edit.notes.append(SessionMessagesLoaded(session_id=session.session_id, messages=tuple(log)))
    return edit.done()


@attrs.frozen(slots=True)
class _Asked:
    """The user's messages in a list, a sub-session's left out: how many, and the last of them."""

    count: int = 0
    last: Content | None = None


def _load(edit: Edit, session: ChatSession) -> None:
    """Put the server's list in place of a session's messages.

    It holds finished turns only, so what a turn that runs has made stays behind it.
    """
    session_id = session.session_id
    running = ran(edit, session_id)
    turn_from: int = edit.value(session_id, "turn_from")
    old: Log[Message] = edit.value(session_id, "messages")
    kept = old[max(0, turn_from - old.dropped) :] if running and turn_from >= 0 else ()
    edit.put(
        session_id,
        messages=Log[Message](),
        target=-1,
        turn_from=-1,
        asked_from=-1,
        loaded=-1,
        stirred=running,
        asked=False,
        name=session.session_name,
        metadata=session.metadata,
        vendor=session.vendor,
        agent=session.agent_config,
    )
    if session.token_count or not session.messages:  # else the server does not count
        edit.put(session_id, input_tokens=0, output_tokens=0, token_count=session.token_count)
    asked = _append_history(edit, session, own_calls(edit, session_id, kept))
    if running:
        _go_on_behind(edit, session_id, asked, kept)
    else:
        edit.put(session_id, users=asked.count, turns=0)


def _go_on_behind(edit: Edit, session_id: str, asked: _Asked, kept: tuple[Message, ...]) -> None:
    """Let the turn that runs go on behind the list, unless the list proves to hold it (§8 S1)."""
    log: Log[Message] = edit.value(session_id, "messages")
    finished = edit.value(session_id, "users") + edit.value(session_id, "turns")
    said = [message.content for message in kept if message.role == "user"]
    whole = asked.count > finished and (not said or asked.last == said[-1])
    if not whole:
        edit.put(session_id, users=asked.count, turns=0)
    edit.put(
        session_id,
        loaded=log.end,
        loaded_target=edit.value(session_id, "target"),
        loaded_users=asked.count,
        loaded_whole=whole,
        turn_from=log.end,
    )
    for message in kept:
        edit.append(message)
    open_message = edit.open.get(session_id)
    if open_message is not None:
        edit.set_open(session_id, evolve(open_message, touched=0))


def _append_history(edit: Edit, session: ChatSession, own: frozenset[str]) -> _Asked:
    # What reads the vendors' histories is imported when the first of them comes.
    from .._core.vendors._history import DelegationStarted, HistoryMessage, convert_history

    unfolding = Unfolding(edit, session.session_id)
    history = convert_history(
        session.messages,
        session.vendor,
        session_id=session.session_id,
        new_id=edit.new_id,
        timestamp=moment(edit.now),
        unfolds=unfolding.unfolds,
    )
    news = iter(unfolding.news)
    asked, depth, announces = _Asked(), 0, False
    for item in history:
        if isinstance(item, HistoryMessage):
            listed(edit, item.message, own)
            edit.store(item.message, foreign=item.foreign)
            if item.message.role == "user" and not item.foreign:
                asked = _Asked(asked.count + 1, item.message.content)
        elif isinstance(item, DelegationStarted):
            depth += 1
            announces = next(news)
            if announces:
                _delegation_started(edit, session, item, depth)
        else:
            if announces:
                _delegation_ended(edit, session.session_id, depth)
            depth -= 1
    return asked


def _delegation_ended(edit: Edit, session_id: str, depth: int) -> None:
    edit.notes.append(
        SubsessionEnded(
            session_id=session_id,
            parent_session_id=None,
            user_session_id=session_id,
            depth=depth,
        )
    )


def _delegation_started(
    edit: Edit, session: ChatSession, item: DelegationStarted, depth: int
) -> None:
    agent = session.agent_config
    edit.notes.append(
        SubsessionStarted(
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


def _announce_sessions(edit: Edit) -> None:
    edit.notes.append(SessionsUpdated(session_ids=edit.shown()))


@fold_event(ChatSessionNameChangedEvent, Lane.TEXT)
def chat_session_name_changed(
    slice_: TextSlice, event: ChatSessionNameChangedEvent
) -> Handled[TextSlice]:
    """A session has another name (§8 S3)."""
    return _change(slice_, event.session_id or slice_.current_session_id, name=event.session_name)


@fold_event(SessionMetadataChangedEvent, Lane.TEXT)
def session_metadata_changed(
    slice_: TextSlice, event: SessionMetadataChangedEvent
) -> Handled[TextSlice]:
    """The current session has other metadata (§8 S3)."""
    return _change(slice_, slice_.current_session_id, metadata=event.meta)


def _change(slice_: TextSlice, session_id: str | None, **changes: object) -> Handled[TextSlice]:
    rest = slice_.rest
    if session_id not in rest.records and (
        rest.deleted_record is None or session_id != rest.deleted_record.id
    ):
        return slice_, ()
    assert session_id is not None
    edit = Edit(slice_)
    edit.ensure(session_id)
    edit.put(session_id, **changes)
    _announce_sessions(edit)
    return edit.done()


@fold_event(AgentConfigurationChangedEvent, Lane.TEXT)
def agent_configuration_changed(
    slice_: TextSlice, event: AgentConfigurationChangedEvent
) -> Handled[TextSlice]:
    """The current session's agent was set up anew."""
    session_id = slice_.current_session_id
    if session_id is None or session_id not in slice_.rest.records:
        return slice_, ()
    edit = Edit(slice_)
    edit.put(session_id, agent=event.agent_config)
    return edit.done()


@fold_event(ChatSessionDeletedEvent, Lane.TEXT)
def chat_session_deleted(slice_: TextSlice, event: ChatSessionDeletedEvent) -> Handled[TextSlice]:
    """A session was deleted (§8 S3)."""
    return _deleted(slice_, event.session_id)


@fold_event(DeleteChatSessionEvent, Lane.TEXT)
def delete_chat_session(slice_: TextSlice, event: DeleteChatSessionEvent) -> Handled[TextSlice]:
    """A session was deleted, as real servers say it."""
    return _deleted(slice_, event.session_id)


def _deleted(slice_: TextSlice, named: str | None) -> Handled[TextSlice]:
    current = slice_.current_session_id
    session_id = named or current
    if session_id is None or session_id not in slice_.rest.records:
        return slice_, ()
    edit = Edit(slice_)
    record = edit.forget(session_id)
    is_user = session_id == slice_.user_session_id
    if is_user:
        edit.set(user_session_id=None)
    if session_id == current:  # the server may go on in it all the same
        edit.set(
            current_session_id=None,
            deleted=session_id,
            deleted_record=record,
            deleted_was_user=is_user,
        )
        edit.notes.append(ChatSessionChanged(previous_session_id=current, current_session_id=None))
    _announce_sessions(edit)
    return edit.done()


def reset(slice_: TextSlice) -> TextSlice:
    """Drop in silence what is under way; sessions and what is stored in them stay.

    This is the one exception to rule M4 (design.md, "The sans-IO core"). That a turn runs, or
    that a cancel is being carried out, is nothing of the client's to drop: it stays known.
    """
    records = {session_id: _without_work(each) for session_id, each in slice_.rest.records.items()}
    fresh = TextSlice().rest
    rest = evolve(slice_.rest, records=records, tools={}, subsessions=(), seen=fresh.seen)
    return TextSlice(rest, {}, slice_.tick, slice_.now)


def _without_work(record: Record) -> Record:
    """A record without tools that run or wait; of those that have run it knows where they are."""
    calls: Recent[str, KnownCall] = Recent(SEEN_LIMIT)
    for call_id, known in record.calls.items():
        calls = calls.set(call_id, evolve(known, stage=Stage.FORGOTTEN, call=None, begun=None))
    return evolve(record, waiting=(), calls=calls)


@fold_event(SessionsWipedEvent, Lane.TEXT)
def sessions_wiped(slice_: TextSlice, _event: SessionsWipedEvent) -> Handled[TextSlice]:
    """The application forgets every session; what they have open is completed first (§8 M4)."""
    edit = Edit(slice_)
    for session_id in edit.open_sessions():
        edit.complete(session_id)
    edit.remove_tools()
    edit.forget_all()
    edit.notes.append(AllSessionsCleared())
    return edit.done()
