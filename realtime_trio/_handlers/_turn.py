"""Turn manager: a turn's outcome and the effects of its boundaries (§8 M4, M5, T4, T5, U4, S1)."""

from __future__ import annotations

from .._core import _constructors as make
from .._core._local_events import LinkLostEvent
from .._core._messages import ASSISTANT, MessageMetadata
from .._core._notifications import ResponseCancelled
from .._core._records import SessionDraft
from .._core._state import TextSlice, TurnRecord
from .._core._values import Log, evolve
from ..events import (
    CancelledEvent,
    CompletionEvent,
    ErrorEvent,
    InteractionEvent,
    Lane,
    SystemMessageEvent,
    UserTurnEndEvent,
    UserTurnStartEvent,
)
from ._attach import flush_waiting, record_listed, record_moved
from ._fold import Handled, fold_event
from ._transaction import INTERRUPTED, TextTransaction, begin
from ._users import ended

__all__ = ["completion_ended", "has_run", "interaction"]

_CANCELLED = MessageMetadata(stop_reason="cancelled")
ERROR_LIMIT = 100
# Maximum number of sessions that one turn tracks.
INTERACTION_LIMIT = 1024


def interaction(txn: TextTransaction, event: InteractionEvent) -> None:
    """Record that the runtime starts or ends work in a session."""
    turn = txn.conversation.turn
    running = turn.interactions
    txn.conversation.away = False
    if not event.started:
        running -= {event.session_id}
    elif len(running) < INTERACTION_LIMIT:
        running |= {event.session_id}
    txn.conversation.turn = evolve(turn, began=True, prepared=True, interactions=running)


def completion_ended(txn: TextTransaction, event: CompletionEvent) -> None:
    """Record the last stop reason of the session that the user sees."""
    if event.stop_reason is not None and not txn.is_sub(event):
        turn = txn.conversation.turn
        if turn.stop_reason != event.stop_reason:
            txn.conversation.turn = evolve(turn, stop_reason=event.stop_reason)


_HARMLESS = frozenset({"warning", "info"})


def _error(txn: TextTransaction, text: str) -> None:
    """Count an error for the turn in which it is received; without a link, for none."""
    if txn.conversation.away:
        return
    turn = txn.conversation.turn
    errors = (*turn.errors, text)[-ERROR_LIMIT:]
    txn.conversation.turn = evolve(turn, errors=errors)


@fold_event(ErrorEvent, Lane.TEXT)
def error(slice_: TextSlice, event: ErrorEvent) -> Handled[TextSlice]:
    """Record an error in the current turn; the control lane announces it."""
    txn = begin(slice_)
    _error(txn, event.message)
    return txn.done()


@fold_event(SystemMessageEvent, Lane.TEXT)
def system_message(slice_: TextSlice, event: SystemMessageEvent) -> Handled[TextSlice]:
    """Record and announce a message from the server to the user."""
    txn = begin(slice_)
    if event.severity not in _HARMLESS:  # an unknown kind counts as an error (§2 L3)
        _error(txn, event.content)
    txn.emit(
        make.system_notification(
            type="system",
            severity=event.severity,
            content=event.content,
            session_id=event.session_id,
        )
    )
    return txn.done()


@fold_event(UserTurnEndEvent, Lane.TEXT)
def user_turn_end(slice_: TextSlice, _event: UserTurnEndEvent) -> Handled[TextSlice]:
    """Start a new turn: the server processes an input, even after a cancel or an error."""
    txn = begin(slice_)
    txn.conversation.turn = TurnRecord(number=txn.conversation.turn.number, began=True)
    txn.conversation.turn_ended = True
    _continue_in_deleted(txn)
    txn.conversation.away = False
    return txn.done()


def _continue_in_deleted(txn: TextTransaction) -> None:
    """Continue in the session that the server was asked to delete (§8 S3)."""
    session_id = txn.conversation.deleted
    if session_id is None:
        return
    txn.ensure(session_id)
    txn.conversation.current_session_id = session_id
    txn.conversation.deleted = None
    txn.conversation.deleted_record = None
    if txn.conversation.deleted_was_user and txn.conversation.user_session_id is None:
        txn.conversation.user_session_id = session_id
    txn.evict()
    txn.emit(make.chat_session_changed(previous_session_id=None, current_session_id=session_id))
    txn.emit(make.sessions_updated(session_ids=txn.shown()))


@fold_event(LinkLostEvent, Lane.TEXT)
def link_lost(slice_: TextSlice, _event: LinkLostEvent) -> Handled[TextSlice]:
    """Mark open messages: their end may be lost with the link (§8 M4)."""
    txn = begin(slice_)
    txn.conversation.links_lost += 1
    txn.conversation.away = True
    for session_id, open_message in slice_.open.items():
        txn.set_open(session_id, evolve(open_message, cut=True))
    return txn.done()


@fold_event(CancelledEvent, Lane.TEXT)
def cancelled(slice_: TextSlice, _event: CancelledEvent) -> Handled[TextSlice]:
    """End every message and tool, and count deltas that still arrive as late (§8 M5)."""
    txn = begin(slice_)
    ended = txn.open_sessions()
    for session_id in ended:
        txn.complete(session_id, "cancelled", _CANCELLED)
    txn.remove_tools()
    txn.emit(ResponseCancelled(session_ids=ended))
    turn = txn.conversation.turn
    # A server confirms a cancel even if nothing runs; then it does not concern the next turn.
    txn.conversation.fence = frozenset()
    txn.conversation.turn = evolve(turn, cancelled=turn.began)
    return txn.done()


@fold_event(UserTurnStartEvent, Lane.TEXT)
def user_turn_start(slice_: TextSlice, _event: UserTurnStartEvent) -> Handled[TextSlice]:
    """End everything that belongs to the turn."""
    txn = begin(slice_)
    decided: set[str] = set()
    whole: set[str] = set()
    well: set[str] = set()
    for session_id, session in txn.records.items():
        if session.loaded >= 0 and _list_decides(txn, session):
            decided.add(session_id)
            if session.loaded_whole:
                whole.add(session_id)
        elif _has_completed(txn, session):
            well.add(session_id)
    for session_id in txn.open_sessions():
        if _is_cut(txn, txn.record(session_id)) or session_id in decided - whole:
            txn.complete(session_id, "interrupted", INTERRUPTED)
        else:
            txn.complete(session_id)
    for session_id in txn.records:
        if session_id not in whole:
            flush_waiting(txn, session_id)
    last = _finish_turn(txn)
    for session_id in txn.records:
        if session_id in whole:
            _list_was_whole(txn, session_id)
        _end_turn(txn, session_id, well=session_id in well)
    _end_subsessions(txn)
    txn.clear_tools()
    txn.conversation.fence = None
    txn.conversation.turn_ended = False
    txn.conversation.away = False
    txn.conversation.last_turn = last
    txn.conversation.turn = TurnRecord(number=last.number + 1)
    txn.emit(make.ALL_NOTIFICATIONS_CLEARED)
    return txn.done()


def _list_decides(txn: TextTransaction, session: SessionDraft) -> bool:
    """Whether no event of the turn arrived after the list that arrived during it (§8 S1)."""
    open_message = txn.open.get(session.id)
    continued = open_message is not None and open_message.touched > 0
    return not continued and not (session.has_user_message and txn.conversation.turn_ended)


def _is_cut(txn: TextTransaction, session: SessionDraft) -> bool:
    """Whether the end of an open message was lost (§8 M4)."""
    open_message = txn.open.get(session.id)
    cut = open_message is not None and open_message.cut
    return cut or session.is_running


def _has_completed(txn: TextTransaction, session: SessionDraft) -> bool:
    """Whether a session's turn ran and was neither interrupted nor cancelled."""
    return (
        has_run(txn, session) and not txn.conversation.turn.cancelled and not _is_cut(txn, session)
    )


def has_run(txn: TextTransaction, session: SessionDraft) -> bool:
    """Whether a session's turn runs or has just ended (§8 S1)."""
    return session.has_events or (session.has_user_message and txn.conversation.turn_ended)


def _end_turn(txn: TextTransaction, session_id: str, *, well: bool) -> None:
    """Reset a session's turn fields for the next turn."""
    record = txn.record(session_id)
    marks = (record.turn_from, record.user_message_from, record.loaded)
    if marks == (-1, -1, -1) and not record.has_events and not record.has_user_message:
        return
    session = txn.session(session_id)
    session.turns += well
    session.turn_from = session.user_message_from = session.loaded = -1
    session.has_events = session.has_user_message = False


def _finish_turn(txn: TextTransaction) -> TurnRecord:
    """Record the turn's outcome with the last answer of the user's session."""
    turn = txn.conversation.turn
    session_id = txn.conversation.user_session_id or txn.conversation.current_session_id
    if session_id is None or session_id not in txn.records:
        return turn
    session = txn.record(session_id)
    log = session.messages
    if session.user_message_from < 0:
        return turn
    begin = max(session.user_message_from, log.dropped)
    for position in range(log.end - 1, begin - 1, -1):
        message = log.at(position)
        if message.role == ASSISTANT and not message.is_sub_session:
            return evolve(turn, message=message)
    return turn


def _list_was_whole(txn: TextTransaction, session_id: str) -> None:
    """Let the list, which held the whole turn, replace the turn's live messages."""
    session = txn.session(session_id)
    dropped = session.messages.dropped
    session.messages = Log(session.messages[: max(0, session.loaded - dropped)])
    session.target = max(-1, session.loaded_target - dropped)
    session.waiting = ()
    session.users = session.loaded_users
    session.turns = 0
    kept = tuple(session.messages)
    for position, message in enumerate(kept):
        record_moved(txn, message, position)
        record_listed(txn, message, position)
    txn.emit(make.session_messages_loaded(session_id=session_id, messages=kept))


def _end_subsessions(txn: TextTransaction) -> None:
    """End open delegations: a killed turn never ends them (§8 U4)."""
    for opened in reversed(txn.conversation.subsessions):
        txn.emit(ended(opened))
    txn.conversation.subsessions = ()
