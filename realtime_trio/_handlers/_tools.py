"""Tool-call manager: tool calls from selection to end (§8 T1-T3, T5)."""

from __future__ import annotations

from typing import Literal

from .._core import _constructors as make
from .._core._notifications import ToolNotification, ToolStatus
from .._core._records import CallStage, KnownCall, StoredCall, waiting_tool
from .._core._state import ActiveTool, TextSlice, active_tool
from .._core._values import evolve
from ..events import Lane, ToolCall, ToolCallEvent, ToolSelectDeltaEvent
from . import _delegations
from ._attach import TOOL_LIMIT, Key, attach
from ._fold import Handled, fold_event
from ._transaction import TextTransaction, begin

__all__ = ["thoughts_start"]

THINK = "think"


@fold_event(ToolSelectDeltaEvent, Lane.TEXT)
def tool_select(slice_: TextSlice, event: ToolSelectDeltaEvent) -> Handled[TextSlice]:
    """Announce selected tools: each id once, even if the list is repeated (§8 T1)."""
    if not event.tool_calls:
        return slice_, ()
    txn = begin(slice_)
    if txn.is_late(event.session_id):
        return txn.discard(event.session_id)
    txn.ensure_stream(event)
    for call in event.tool_calls:
        key = (event.session_id, call.id)
        active = txn.active.get(key)
        if active is None:
            if _may_be_chosen(txn, key):
                _announce(txn, key, call, "preparing")
        elif active.status == "preparing" and not _is_same(active, txn.known(key), call):
            _move(txn, key, call, "preparing", CallStage.PREPARING)
    return txn.done()


def _is_same(active: ActiveTool, known: KnownCall | None, call: ToolCall) -> bool:
    """Whether the list, which is repeated with every selection, has nothing new for a call."""
    if call.input or active.arguments or active.tool_name != call.name:
        return False
    return known is not None and known.call is not None and known.call.type == call.type


def _may_be_chosen(txn: TextTransaction, key: Key) -> bool:
    """Whether a selection is a new call: the whole list is repeated during a completion."""
    known = txn.known(key)
    if known is None or known.stage < CallStage.CLEARED:
        return True
    return txn.record(key[0]).completions > known.since


@fold_event(ToolCallEvent, Lane.TEXT)
def tool_call(slice_: TextSlice, event: ToolCallEvent) -> Handled[TextSlice]:
    """Start or complete tools."""
    txn = begin(slice_)
    session_id = event.session_id
    given = event.tool_calls or (() if event.active else _named_by_results(txn, event))
    if not given:
        return slice_, ()
    late = txn.is_late(session_id)
    if late and event.active:
        return txn.discard(session_id)
    txn.ensure_stream(event)
    calls = _without_think(txn, session_id, given)
    if not event.active:
        if calls:
            _finish(txn, event, given, calls, late=late)
        return txn.done()
    for call in calls:
        key = (session_id, call.id)
        active = txn.active.get(key)
        if active is None:
            _announce(txn, key, call, "executing")
        elif active.status == "preparing":
            _move(txn, key, call, "executing", CallStage.EXECUTING)
            txn.emit(_tool_note(key, call, "executing"))
    return txn.done()


def _named_by_results(txn: TextTransaction, event: ToolCallEvent) -> tuple[ToolCall, ...]:
    """Return the unfinished calls of this session that are named only in results."""
    if not event.tool_results or event.session_id not in txn.records:
        return ()
    calls = txn.record(event.session_id).calls
    named = {result.tool_use_id: None for result in event.tool_results}
    known = [each.call for each in map(calls.get, named) if each is not None]
    return tuple(call.whole() for call in known if call is not None)


def _finish(
    txn: TextTransaction,
    event: ToolCallEvent,
    given: tuple[ToolCall, ...],
    calls: tuple[ToolCall, ...],
    *,
    late: bool,
) -> None:
    session_id = event.session_id
    others = {call.id for call in given} - {call.id for call in calls}
    results = event.tool_results or ()
    if event.tool_calls:  # calls of ``think`` are skipped
        results = tuple(r for r in results if r.tool_use_id not in others)
    else:
        own = {call.id for call in calls}
        results = tuple(r for r in results if r.tool_use_id in own)
    repeated = [_complete(txn, (session_id, call.id), call, late=late) for call in calls]
    txn.emit(make.tool_call_complete(session_id=session_id, tool_calls=calls, tool_results=results))
    by_id = {result.tool_use_id: result for result in results}
    for call, again in zip(calls, repeated, strict=True):
        tool = waiting_tool(
            call, by_id.get(call.id), event.parent_session_id, event.user_session_id
        )
        attach(txn, session_id, tool, repeated=again)


def _without_think(
    txn: TextTransaction, session_id: str, calls: tuple[ToolCall, ...]
) -> tuple[ToolCall, ...]:
    """Return the calls without ``think``, whose notification ends with its call (§8 T3)."""
    others: list[ToolCall] = []
    for call in calls:
        if call.name == THINK:
            key = (session_id, call.id)
            if key in txn.active:
                txn.remove_tool(key)
            txn.leave_tool(key, CallStage.ENDED)
        else:
            others.append(call)
    return tuple(others)


def thoughts_start(txn: TextTransaction, session_id: str) -> None:
    """End the notification of ``think``: its thoughts are shown from here on (§8 T3)."""
    for key, tool in list(txn.active.items()):
        if key[0] == session_id and tool.tool_name == THINK:
            txn.remove_tool(key)


def _announce(
    txn: TextTransaction, key: Key, call: ToolCall, status: Literal["preparing", "executing"]
) -> None:
    """Announce a call that is not active: a new call, even if its id was used before."""
    if len(txn.active) >= TOOL_LIMIT:
        txn.remove_tool(next(iter(txn.active)))
    stage = CallStage.PREPARING if status == "preparing" else CallStage.EXECUTING
    txn.tools[key] = active_tool(*key, call.name, status, call.input)
    start_mark = None if status == "preparing" else _delegations.start_mark(txn, call)
    txn.note(key, KnownCall(stage, StoredCall.of(call), start_mark=start_mark))
    txn.emit(_tool_note(key, call, status))


def _move(
    txn: TextTransaction,
    key: Key,
    call: ToolCall,
    status: Literal["preparing", "executing"],
    stage: CallStage,
) -> None:
    """Record an active tool's status and arguments."""
    txn.tools[key] = active_tool(*key, call.name, status, call.input)
    known = txn.known(key) or KnownCall(stage)
    start_mark = known.start_mark if status == "preparing" else _delegations.start_mark(txn, call)
    txn.note(key, evolve(known, stage=stage, call=StoredCall.of(call), start_mark=start_mark))


def _tool_note(key: Key, call: ToolCall, status: ToolStatus) -> ToolNotification:
    return make.tool_notification(
        session_id=key[0], id=key[1], tool_name=call.name, status=status, arguments=call.input
    )


def _complete(txn: TextTransaction, key: Key, call: ToolCall, *, late: bool) -> bool:
    """Announce a tool's end once, unless its notification was removed; return if it is repeated.

    If an id is known only from a history, the end belongs to a new call.
    """
    known = txn.known(key)
    stage = CallStage.FORGOTTEN if known is None else known.stage
    if stage is CallStage.LISTED:
        txn.note(key, KnownCall(CallStage.FORGOTTEN))
    if not late and stage < CallStage.REMOVED:
        txn.emit(_tool_note(key, call, "complete"))
    if known is not None:
        _delegations.record_end(txn, key, known, call)
    txn.leave_tool(key, CallStage.ENDED)
    return stage is CallStage.ENDED
