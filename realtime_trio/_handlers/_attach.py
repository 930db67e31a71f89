"""Attach completed tools to messages (§8 T4)."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TypeAlias, TypeVar

import attrs

from .._core import _constructors as make
from .._core._messages import ASSISTANT, Message, OpenMessage, with_tools
from .._core._records import CallStage, KnownCall, WaitingTool
from .._core._values import evolve, longer, with_item
from ..events import ToolCall, ToolResult
from ._new_message import message_in
from ._transaction import INTERRUPTED, TOOL_ROLES, TextTransaction

__all__ = [
    "TOOL_LIMIT",
    "Key",
    "attach",
    "flush_waiting",
    "interrupt",
    "kept_calls",
    "record_attached",
    "record_listed",
    "record_moved",
    "take_waiting",
]

# Maximum number of active tools, and of waiting ones; far more than any model calls.
TOOL_LIMIT = 1024

_NO_CALLS: frozenset[str] = frozenset()

Key: TypeAlias = tuple[str, str]
T = TypeVar("T")


def attach(txn: TextTransaction, session_id: str, tool: WaitingTool, *, repeated: bool) -> None:
    """Attach a completed tool to its message, or let it wait for one.

    A ``repeated`` end replaces the result of the first one.
    """
    key = (session_id, tool.call.id)
    known = txn.known(key) or KnownCall(CallStage.ENDED)
    gives = tool.result is not None
    if (known.message_id and _replace(txn, session_id, known, tool)) or (
        repeated and _replace_waiting(txn, session_id, tool)
    ):
        txn.note(key, evolve(known, answered=known.answered or gives))
        return
    open_message = txn.open.get(session_id)
    session = txn.session(session_id)
    if open_message is not None and open_message.head.role in TOOL_ROLES:
        position = session.messages.end
        txn.note(key, evolve(known, message_id=open_message.id, position=position, answered=gives))
        _update_open(txn, open_message, _with_tool(open_message.head, tool))
        return
    if session.target >= session.messages.dropped:
        message = session.messages.at(session.target)
        position = session.target
        txn.note(key, evolve(known, message_id=message.id, position=position, answered=gives))
        _update_stored(txn, session.target, _with_tool(message, tool))
        return
    txn.note(key, evolve(known, message_id="", answered=gives))
    if len(session.waiting) < TOOL_LIMIT:
        session.waiting = longer(session.waiting, tool)
    else:
        flush_waiting(txn, session_id)
        attach(txn, session_id, tool, repeated=False)


def _replace(txn: TextTransaction, session_id: str, known: KnownCall, tool: WaitingTool) -> bool:
    """Replace the call's result in its message.

    Does nothing if the state no longer holds that message.
    """
    open_message = txn.open.get(session_id)
    if open_message is not None and open_message.id == known.message_id:
        _update_open(txn, open_message, _with_end(open_message.head, tool, known))
        return True
    log = txn.record(session_id).messages
    if not log.dropped <= known.position < log.end:
        return False
    message = log.at(known.position)
    if message.id != known.message_id:
        return False
    _update_stored(txn, known.position, _with_end(message, tool, known))
    return True


def _replace_waiting(txn: TextTransaction, session_id: str, tool: WaitingTool) -> bool:
    """Replace the result of the latest waiting call with this id."""
    session = txn.session(session_id)
    waiting = session.waiting
    place = _last(waiting, lambda other: other.call.id, tool.call.id)
    if place < 0:
        return False
    if tool.result is None:  # a repetition without a result keeps the old one
        tool = attrs.evolve(tool, result=waiting[place].result)
    session.waiting = with_item(waiting, place, tool)
    return True


def _last(items: Sequence[T], id_of: Callable[[T], str], wanted: str) -> int:
    """Return the last index of an item with an id, or -1."""
    places = reversed(range(len(items)))
    return next((place for place in places if id_of(items[place]) == wanted), -1)


def _with_tool(message: Message, tool: WaitingTool) -> Message:
    """Return the message with one more tool."""
    results = message.tool_results
    if tool.result is not None:
        results = longer(results, tool.result)
    return with_tools(message, longer(message.tool_calls, tool.call), results)


def _with_end(message: Message, tool: WaitingTool, known: KnownCall) -> Message:
    """Return the message with a new result for the latest call of an id."""
    calls, results = message.tool_calls, message.tool_results
    place = _last(calls, lambda call: call.id, tool.call.id)
    calls = with_item(calls, place, tool.call)
    if tool.result is None:
        return with_tools(message, calls, results)
    if known.answered:
        place = _last(results, lambda result: result.tool_use_id, tool.call.id)
        results = with_item(results, place, tool.result)
    else:
        results = longer(results, tool.result)
    return with_tools(message, calls, results)


def _update_open(txn: TextTransaction, open_message: OpenMessage, head: Message) -> None:
    changed = evolve(open_message, head=head)
    txn.set_open(head.session_id, changed)
    txn.emit(make.message_updated(session_id=head.session_id, message=changed.snapshot()))


def _update_stored(txn: TextTransaction, position: int, message: Message) -> None:
    session_id = message.session_id
    session = txn.session(session_id)
    session.messages = session.messages.replace(position, message)
    txn.emit(make.message_updated(session_id=session_id, message=message))


def record_attached(txn: TextTransaction, message: Message) -> None:
    """Record that waiting tools are now in a message, which is the next to be stored.

    A later call with one of these ids may already run or have a message.
    """
    if not message.tool_calls:
        return
    position = txn.record(message.session_id).messages.end
    for call_id in dict.fromkeys(call.id for call in message.tool_calls):
        key = (message.session_id, call_id)
        known = txn.known(key)
        if known is not None and known.stage is CallStage.ENDED and not known.message_id:
            txn.note(key, evolve(known, message_id=message.id, position=position))


def record_moved(txn: TextTransaction, message: Message, position: int) -> None:
    """Record where a message with its tools stands, or will stand, in another list."""
    if not message.tool_calls:
        return
    for call_id in dict.fromkeys(call.id for call in message.tool_calls):
        key = (message.session_id, call_id)
        known = txn.known(key)
        if known is not None and known.message_id == message.id:
            txn.note(key, evolve(known, position=position))


def kept_calls(txn: TextTransaction, session_id: str, kept: Sequence[Message]) -> frozenset[str]:
    """Return the ids of calls that wait or are in messages kept after a list (§8 S1)."""
    session = txn.record(session_id)
    if not session.calls and not session.waiting:
        return _NO_CALLS
    ids = {message.id for message in kept}
    open_message = txn.open.get(session_id)
    if open_message is not None:
        ids.add(open_message.id)
    standing = {call_id for call_id, known in session.calls.items() if known.message_id in ids}
    return frozenset(standing.union(tool.call.id for tool in session.waiting))


def record_listed(
    txn: TextTransaction, message: Message, position: int, own: frozenset[str] = frozenset()
) -> None:
    """Record the tools in a message of the server's list, and its position there (§8 T1).

    The list holds finished turns. A call in ``own``, the running turn's calls, is different from
    the list's call with that id. A running call is the list's only if the list has no result for
    it.
    """
    if not message.tool_calls:
        return
    answers = {result.tool_use_id for result in message.tool_results}
    for call_id in dict.fromkeys(call.id for call in message.tool_calls):
        key, answered = (message.session_id, call_id), call_id in answers
        known = txn.known(key)
        if known is None or known.stage <= CallStage.LISTED:
            known = KnownCall(CallStage.LISTED)
        elif call_id in own if known.stage is CallStage.ENDED else answered:
            continue
        changes = evolve(known, message_id=message.id, position=position, answered=answered)
        txn.note(key, changes)


def take_waiting(
    txn: TextTransaction, session_id: str
) -> tuple[tuple[ToolCall, ...], tuple[ToolResult, ...]]:
    """Return the waiting calls and results, for a message that takes them now."""
    waiting = txn.record(session_id).waiting
    if not waiting:
        return (), ()
    txn.session(session_id).waiting = ()
    calls = tuple(tool.call for tool in waiting)
    return calls, tuple(tool.result for tool in waiting if tool.result is not None)


def flush_waiting(txn: TextTransaction, session_id: str) -> None:
    """Store waiting tools as a separate message, since no other message takes them (§8 T4)."""
    waiting = txn.record(session_id).waiting
    if not waiting:
        return
    calls, results = take_waiting(txn, session_id)
    last = waiting[-1]
    message = message_in(
        txn,
        session_id,
        last.parent_session_id,
        last.user_session_id,
        ASSISTANT,
        "",
        tool_calls=calls,
        tool_results=results,
    )
    record_attached(txn, message)
    txn.append(message)
    txn.emit(make.message_complete(session_id=session_id, message=message))


def interrupt(txn: TextTransaction, session_id: str) -> None:
    """End the session's open message, because a user message arrived (§8 U2)."""
    txn.complete(session_id, "interrupted", INTERRUPTED)
    flush_waiting(txn, session_id)
