"""Turn manager: what a turn has come to, and what its boundaries do (§8 M4, M5, T4, T5, U4, S1)."""

from __future__ import annotations

from .._core._messages import ASSISTANT, Message, MessageMetadata
from .._core._notifications import (
    AllNotificationsCleared,
    ResponseCancelled,
    SessionMessagesLoaded,
    SystemNotification,
)
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
from ._edit import Edit
from ._fold import Handled, fold_event
from ._tools import flush_waiting
from ._users import ended

__all__ = ["completion_ended", "interaction"]

_CANCELLED = MessageMetadata(stop_reason="cancelled")
ERROR_LIMIT = 100
# Bound on the sessions at work in one turn that are told apart.
INTERACTION_LIMIT = 1024


def interaction(edit: Edit, event: InteractionEvent) -> None:
    """Note that the runtime is, or is no longer, at work in a session."""
    turn: TurnRecord = edit.get("turn")
    at_work = turn.interactions
    if not event.started:
        at_work -= {event.session_id}
    elif len(at_work) < INTERACTION_LIMIT:
        at_work |= {event.session_id}
    edit.set(turn=evolve(turn, began=True, interactions=at_work))


def completion_ended(edit: Edit, event: CompletionEvent) -> None:
    """Note the last stop reason of the session that the user sees."""
    if event.stop_reason is not None and not edit.is_sub(event):
        turn: TurnRecord = edit.get("turn")
        if turn.stop_reason != event.stop_reason:
            edit.set(turn=evolve(turn, stop_reason=event.stop_reason))


_HARMLESS = frozenset({"warning", "info"})


def _error(edit: Edit, text: str) -> None:
    turn: TurnRecord = edit.get("turn")
    errors = (*turn.errors, text)[-ERROR_LIMIT:]
    edit.set(turn=evolve(turn, errors=errors))


@fold_event(ErrorEvent, Lane.TEXT)
def error(slice_: TextSlice, event: ErrorEvent) -> Handled[TextSlice]:
    """An error counts for the turn in which it comes; the control lane announces it."""
    edit = Edit(slice_)
    _error(edit, event.message)
    return edit.done()


@fold_event(SystemMessageEvent, Lane.TEXT)
def system_message(slice_: TextSlice, event: SystemMessageEvent) -> Handled[TextSlice]:
    """A word of the server to the user."""
    edit = Edit(slice_)
    if event.severity not in _HARMLESS:  # an unknown word counts as an error (§2 L3)
        _error(edit, event.content)
    edit.notes.append(
        SystemNotification(
            type="system",
            severity=event.severity,
            content=event.content,
            session_id=event.session_id,
        )
    )
    return edit.done()


@fold_event(UserTurnEndEvent, Lane.TEXT)
def user_turn_end(slice_: TextSlice, _event: UserTurnEndEvent) -> Handled[TextSlice]:
    """The server works on an input: a new turn, whatever a cancel or an error before it said."""
    edit = Edit(slice_)
    edit.set(turn=TurnRecord(number=edit.rest.turn.number, began=True))
    return edit.done()


@fold_event(CancelledEvent, Lane.TEXT)
def cancelled(slice_: TextSlice, _event: CancelledEvent) -> Handled[TextSlice]:
    """End every message and tool, and let what still trickles in count as late (§8 M5)."""
    edit = Edit(slice_)
    ended = edit.open_sessions()
    for session_id in ended:
        edit.complete(session_id, "cancelled", _CANCELLED)
    edit.remove_tools()
    edit.notes.append(ResponseCancelled(session_ids=ended))
    turn = edit.rest.turn
    # A server confirms a cancel also where nothing runs: then it says nothing of the next turn.
    edit.set(fence=frozenset(), turn=evolve(turn, cancelled=turn.began))
    return edit.done()


@fold_event(UserTurnStartEvent, Lane.TEXT)
def user_turn_start(slice_: TextSlice, _event: UserTurnStartEvent) -> Handled[TextSlice]:
    """Nothing of a turn outlives it."""
    edit = Edit(slice_)
    for session_id in edit.open_sessions():
        edit.complete(session_id)
    for session_id in edit.records:
        if edit.value(session_id, "loaded") < 0:
            flush_waiting(edit, session_id)
    last = _finish_turn(edit)
    for session_id, record in edit.records.items():
        if edit.value(session_id, "loaded") >= 0:
            _list_was_complete(edit, session_id)
        elif record.turn_from >= 0:
            edit.put(session_id, turn_from=-1)
    _end_subsessions(edit)
    edit.set(
        fence=None,
        last_turn=last,
        turn=TurnRecord(number=last.number + 1),
    )
    if edit.active:
        edit.tools.clear()
    edit.notes.append(AllNotificationsCleared())
    return edit.done()


def _finish_turn(edit: Edit) -> TurnRecord:
    """What the turn has come to, with the user session's last answer."""
    turn: TurnRecord = edit.get("turn")
    session_id: str | None = edit.get("user_session_id") or edit.get("current_session_id")
    if session_id is None or session_id not in edit.records:
        return turn
    log: Log[Message] = edit.value(session_id, "messages")
    begin = max(edit.value(session_id, "turn_from"), log.dropped)
    if edit.value(session_id, "turn_from") < 0:
        return turn
    for position in range(log.end - 1, begin - 1, -1):
        message = log.at(position)
        if message.role == ASSISTANT and not message.is_sub_session:
            return evolve(turn, message=message)
    return turn


def _list_was_complete(edit: Edit, session_id: str) -> None:
    """No event of the stream followed the server's list: it held the whole turn (§8 S1)."""
    log: Log[Message] = edit.value(session_id, "messages")
    kept = Log(log[: max(0, edit.value(session_id, "loaded") - log.dropped)])
    target = max(-1, edit.value(session_id, "loaded_target") - log.dropped)
    edit.put(session_id, messages=kept, loaded=-1, turn_from=-1, target=target, waiting=())
    edit.notes.append(SessionMessagesLoaded(session_id=session_id, messages=tuple(kept)))


def _end_subsessions(edit: Edit) -> None:
    """Killed turns never end their delegations, so the turn's end does (§8 U4)."""
    edit.notes.extend(ended(opened) for opened in reversed(edit.get("subsessions")))
    if edit.get("subsessions"):
        edit.set(subsessions=())
