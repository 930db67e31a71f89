"""Turn manager: what a turn has come to, and what its boundaries do (§8 M4, M5, T4, T5, U4, S1)."""

from __future__ import annotations

from .._core._local import LinkLostEvent
from .._core._messages import ASSISTANT, Message, MessageMetadata
from .._core._notifications import (
    AllNotificationsCleared,
    ChatSessionChanged,
    ResponseCancelled,
    SessionMessagesLoaded,
    SessionsUpdated,
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
from ._attach import flush_waiting, listed
from ._edit import INTERRUPTED, Edit
from ._fold import Handled, fold_event
from ._users import ended

__all__ = ["completion_ended", "interaction", "ran"]

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
    edit.set(turn=TurnRecord(number=edit.rest.turn.number, began=True), turn_ended=True)
    _go_on_in_deleted(edit)
    return edit.done()


def _go_on_in_deleted(edit: Edit) -> None:
    """The server works in the session that it was asked to delete (§8 S3)."""
    session_id: str | None = edit.get("deleted")
    if session_id is None:
        return
    edit.ensure(session_id)
    edit.set(current_session_id=session_id, deleted=None, deleted_record=None)
    if edit.get("deleted_was_user") and edit.get("user_session_id") is None:
        edit.set(user_session_id=session_id)
    edit.evict()
    edit.notes.append(ChatSessionChanged(previous_session_id=None, current_session_id=session_id))
    edit.notes.append(SessionsUpdated(session_ids=edit.shown()))


@fold_event(LinkLostEvent, Lane.TEXT)
def link_lost(slice_: TextSlice, _event: LinkLostEvent) -> Handled[TextSlice]:
    """What is open may have ended unheard (§8 M4)."""
    edit = Edit(slice_)
    edit.set(links_lost=edit.rest.links_lost + 1)
    for session_id, open_message in slice_.open.items():
        edit.set_open(session_id, evolve(open_message, cut=True))
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
    decided = {each for each in edit.records if _list_decides(edit, each)}
    whole = {each for each in decided if edit.value(each, "loaded_whole")}
    well = {each for each in edit.records if each not in decided and _ends_well(edit, each)}
    for session_id in edit.open_sessions():
        if _is_cut(edit, session_id) or session_id in decided - whole:
            edit.complete(session_id, "interrupted", INTERRUPTED)
        else:
            edit.complete(session_id)
    for session_id in edit.records:
        if session_id not in whole:
            flush_waiting(edit, session_id)
    last = _finish_turn(edit)
    for session_id in edit.records:
        if session_id in whole:
            _list_was_whole(edit, session_id)
        _end_turn(edit, session_id, well=session_id in well)
    _end_subsessions(edit)
    edit.clear_tools()
    edit.set(
        fence=None,
        turn_ended=False,
        last_turn=last,
        turn=TurnRecord(number=last.number + 1),
    )
    edit.notes.append(AllNotificationsCleared())
    return edit.done()


def _list_decides(edit: Edit, session_id: str) -> bool:
    """Whether a list came while the turn ran, and nothing of the turn after it (§8 S1)."""
    if edit.value(session_id, "loaded") < 0:
        return False
    open_message = edit.open.get(session_id)
    went_on = open_message is not None and open_message.touched > 0
    return not went_on and not (edit.value(session_id, "asked") and edit.get("turn_ended"))


def _is_cut(edit: Edit, session_id: str) -> bool:
    """Whether what is open was not seen to its end (§8 M4)."""
    open_message = edit.open.get(session_id)
    cut = open_message is not None and open_message.cut
    return cut or bool(edit.value(session_id, "at_work"))


def _ends_well(edit: Edit, session_id: str) -> bool:
    """Whether a session's turn ran, and was neither interrupted nor cancelled."""
    return (
        ran(edit, session_id) and not edit.get("turn").cancelled and not _is_cut(edit, session_id)
    )


def ran(edit: Edit, session_id: str) -> bool:
    """Whether a turn of a session runs, or ran up to now (§8 S1)."""
    asked = edit.value(session_id, "asked") and edit.get("turn_ended")
    return bool(asked or edit.value(session_id, "stirred"))


def _end_turn(edit: Edit, session_id: str, *, well: bool) -> None:
    """Begin the count of a session's next turn; a record that says so already stays."""
    began = ("turn_from", "asked_from", "loaded", "stirred", "asked")
    before = {name: edit.value(session_id, name) for name in began}
    after = {"turn_from": -1, "asked_from": -1, "loaded": -1, "stirred": False, "asked": False}
    if before != after:
        edit.put(session_id, turns=edit.value(session_id, "turns") + well, **after)


def _finish_turn(edit: Edit) -> TurnRecord:
    """What the turn has come to, with the user session's last answer."""
    turn: TurnRecord = edit.get("turn")
    session_id: str | None = edit.get("user_session_id") or edit.get("current_session_id")
    if session_id is None or session_id not in edit.records:
        return turn
    log: Log[Message] = edit.value(session_id, "messages")
    begin = max(edit.value(session_id, "asked_from"), log.dropped)
    if edit.value(session_id, "asked_from") < 0:
        return turn
    for position in range(log.end - 1, begin - 1, -1):
        message = log.at(position)
        if message.role == ASSISTANT and not message.is_sub_session:
            return evolve(turn, message=message)
    return turn


def _list_was_whole(edit: Edit, session_id: str) -> None:
    """The list held the whole turn: what was seen of it live gives way."""
    log: Log[Message] = edit.value(session_id, "messages")
    kept = Log(log[: max(0, edit.value(session_id, "loaded") - log.dropped)])
    target = max(-1, edit.value(session_id, "loaded_target") - log.dropped)
    users = edit.value(session_id, "loaded_users")
    edit.put(session_id, messages=kept, target=target, waiting=(), users=users, turns=0)
    for message in kept:
        listed(edit, message)
    edit.notes.append(SessionMessagesLoaded(session_id=session_id, messages=tuple(kept)))


def _end_subsessions(edit: Edit) -> None:
    """Killed turns never end their delegations, so the turn's end does (§8 U4)."""
    edit.notes.extend(ended(opened) for opened in reversed(edit.get("subsessions")))
    if edit.get("subsessions"):
        edit.set(subsessions=())
