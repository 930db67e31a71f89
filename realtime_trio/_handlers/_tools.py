"""Tool-call manager: what tools do, and to which message they belong (§8 T1-T5)."""

from __future__ import annotations

from collections.abc import Iterable

import attrs

from .._core._messages import ASSISTANT, Message, MessageMetadata, OpenMessage, moment
from .._core._notifications import (
    MessageComplete,
    MessageUpdated,
    ToolCallComplete,
    ToolNotification,
)
from .._core._state import ActiveTool, Record, TextSlice, WaitingTool
from .._core._values import Log, Recent
from ..events import Lane, ToolCall, ToolCallEvent, ToolResult, ToolSelectDeltaEvent
from ._edit import CLEARED, TOOL_ROLES, Edit
from ._fold import Handled, fold_event

__all__ = ["INTERRUPTED", "flush_waiting", "interrupt", "remember", "take_waiting", "thoughts_start"]

THINK = "think"
INTERRUPTED = MessageMetadata(stop_reason="interrupted")
# How far a tool has come. A status never moves backward, so neither does its rank.
PREPARING, EXECUTING = 1, 2
# Bound on tools that are active, or wait, at one time; far more than any model calls.
TOOL_LIMIT = 1024

Key = tuple[str, str]


@fold_event(ToolSelectDeltaEvent, Lane.TEXT)
def tool_select(slice_: TextSlice, event: ToolSelectDeltaEvent) -> Handled[TextSlice]:
    """The model chooses: each id is announced once, however often the list comes (§8 T1)."""
    if not event.tool_calls:
        return slice_, ()
    edit = Edit(slice_)
    if edit.is_late(event.session_id):
        return edit.discard()
    edit.ensure_for(event)
    edit.stream_event(event.session_id)
    for call in event.tool_calls:
        key = (event.session_id, call.id)
        if _rank(edit, key) == 0:
            _announce(edit, key, call, PREPARING)
        elif key in edit.active and edit.active[key].arguments != call.input:
            edit.tools[key] = attrs.evolve(edit.tools[key], arguments=call.input)
    return edit.done()


@fold_event(ToolCallEvent, Lane.TEXT)
def tool_call(slice_: TextSlice, event: ToolCallEvent) -> Handled[TextSlice]:
    """Tools run, or have run."""
    if not event.tool_calls:
        return slice_, ()
    edit = Edit(slice_)
    late = edit.is_late(event.session_id)
    if late and event.active:
        return edit.discard()
    edit.ensure_for(event)
    edit.stream_event(event.session_id)
    calls = _without_think(edit, event.session_id, event.tool_calls)
    if event.active:
        for call in calls:
            key = (event.session_id, call.id)
            if _rank(edit, key) < EXECUTING:
                _announce(edit, key, call, EXECUTING)
    elif calls:
        _finish(edit, event, calls, late=late)
    return edit.done()


def _finish(edit: Edit, event: ToolCallEvent, calls: tuple[ToolCall, ...], *, late: bool) -> None:
    session_id = event.session_id
    thinking = {call.id for call in event.tool_calls or () if call.name == THINK}
    results = tuple(r for r in event.tool_results or () if r.tool_use_id not in thinking)
    for call in calls:
        _complete(edit, (session_id, call.id), call, late=late)
    edit.notes.append(
        ToolCallComplete(session_id=session_id, tool_calls=calls, tool_results=results)
    )
    by_id = {result.tool_use_id: result for result in results}
    for call in calls:
        _attach(edit, session_id, call, by_id.get(call.id))


def _rank(edit: Edit, key: Key) -> int:
    ranks: Recent[Key, int] = edit.get("ranks")
    return ranks.get(key) or 0


def _set_rank(edit: Edit, key: Key, rank: int) -> None:
    edit.set(ranks=edit.get("ranks").set(key, rank))


def _without_think(edit: Edit, session_id: str, calls: tuple[ToolCall, ...]) -> tuple[ToolCall, ...]:
    """The calls but for ``think``, whose notification ends when its call comes (§8 T3)."""
    for call in calls:
        key = (session_id, call.id)
        if call.name == THINK:
            if key in edit.active:
                edit.remove_tool(key)
            _set_rank(edit, key, CLEARED)
    return tuple(call for call in calls if call.name != THINK)


def thoughts_start(edit: Edit, session_id: str) -> None:
    """Thoughts are what the ``think`` tool shows: its notification has done its work (§8 T3)."""
    for key, tool in list(edit.active.items()):
        if key[0] == session_id and tool.tool_name == THINK:
            edit.remove_tool(key)


def _announce(edit: Edit, key: Key, call: ToolCall, rank: int) -> None:
    if rank == PREPARING or _rank(edit, key) == 0:
        # An id that an earlier turn used: this is another call.
        edit.set(attached=edit.get("attached").set(key, ""))
    status = ("preparing", "executing")[rank - 1]
    if key not in edit.active and len(edit.active) >= TOOL_LIMIT:
        edit.remove_tool(next(iter(edit.active)))
    _set_rank(edit, key, rank)
    tool = ActiveTool(key[0], key[1], call.name, "preparing" if rank == PREPARING else "executing", call.input)
    edit.tools[key] = tool
    edit.notes.append(_note(tool, status))


def _note(tool: ActiveTool, status: str) -> ToolNotification:
    return ToolNotification(
        session_id=tool.session_id,
        id=tool.id,
        tool_name=tool.tool_name,
        status=status,  # type: ignore[arg-type]
        arguments=tool.arguments,
    )


def _complete(edit: Edit, key: Key, call: ToolCall, *, late: bool) -> None:
    """Announce a tool's end once; after a cancel its notification has been removed already."""
    if key in edit.active:
        del edit.tools[key]
    if _rank(edit, key) < CLEARED and not late:
        tool = ActiveTool(key[0], key[1], call.name, "executing", call.input)
        edit.notes.append(_note(tool, "complete"))
    _set_rank(edit, key, CLEARED)


# --- attaching ----------------------------------------------------------------------------


def _attach(edit: Edit, session_id: str, call: ToolCall, result: ToolResult | None) -> None:
    """Give a tool that has run to its message, or let it wait for one (§8 T4)."""
    attached: str | None = edit.get("attached").get((session_id, call.id))
    if attached:
        _replace(edit, session_id, attached, call, result)
        return
    waiting: tuple[WaitingTool, ...] = edit.value(session_id, "waiting")
    if any(tool.call.id == call.id for tool in waiting):
        fresh = WaitingTool(call, result)
        waiting = tuple(fresh if tool.call.id == call.id else tool for tool in waiting)
        edit.put(session_id, waiting=waiting)
        return
    open_message = edit.open.get(session_id)
    if open_message is not None and open_message.role in TOOL_ROLES:
        _update_open(edit, open_message, _with_tool(open_message.head, call, result))
        return
    log: Log[Message] = edit.value(session_id, "messages")
    target: int = edit.value(session_id, "target")
    if target >= log.dropped:
        _update_stored(edit, session_id, target, _with_tool(log.at(target), call, result))
        return
    if len(waiting) >= TOOL_LIMIT:
        flush_waiting(edit, session_id)
        waiting = ()
    edit.put(session_id, waiting=(*waiting, WaitingTool(call, result)))


def _with_tool(message: Message, call: ToolCall, result: ToolResult | None) -> Message:
    """The message with a tool, in place of one of the same id where there is one."""
    calls = (*(c for c in message.tool_calls if c.id != call.id), call)
    results = message.tool_results
    if any(c.id == call.id for c in message.tool_calls):
        calls = tuple(call if c.id == call.id else c for c in message.tool_calls)
    if result is not None:
        if any(r.tool_use_id == call.id for r in results):
            results = tuple(result if r.tool_use_id == call.id else r for r in results)
        else:
            results = (*results, result)
    return attrs.evolve(message, tool_calls=calls, tool_results=results)


def _replace(edit: Edit, session_id: str, message_id: str, call: ToolCall, result: ToolResult | None) -> None:
    """A repeated end takes the place of the first, in whatever message that stands."""
    open_message = edit.open.get(session_id)
    if open_message is not None and open_message.id == message_id:
        _update_open(edit, open_message, _with_tool(open_message.head, call, result))
        return
    log: Log[Message] = edit.value(session_id, "messages")
    for position in range(log.end - 1, log.dropped - 1, -1):
        message = log.at(position)
        if message.id == message_id:
            _update_stored(edit, session_id, position, _with_tool(message, call, result))
            return


def _update_open(edit: Edit, open_message: OpenMessage, head: Message) -> None:
    changed = attrs.evolve(open_message, head=head)
    edit.set_open(head.session_id, changed)
    remember(edit, head)
    edit.notes.append(MessageUpdated(session_id=head.session_id, message=changed.snapshot()))


def _update_stored(edit: Edit, session_id: str, position: int, message: Message) -> None:
    log: Log[Message] = edit.value(session_id, "messages")
    edit.put(session_id, messages=log.replace(position, message))
    remember(edit, message)
    edit.notes.append(MessageUpdated(session_id=session_id, message=message))


def remember(edit: Edit, message: Message) -> None:
    """Keep in mind which message has which tools, for an end that is repeated."""
    for call in message.tool_calls:
        key = (message.session_id, call.id)
        attached: Recent[Key, str] = edit.get("attached")
        if attached.get(key) != message.id:
            edit.set(attached=attached.set(key, message.id))


def take_waiting(edit: Edit, session_id: str) -> tuple[tuple[ToolCall, ...], tuple[ToolResult, ...]]:
    """The calls and results that wait, for a message that takes them now."""
    waiting: Iterable[WaitingTool] = edit.value(session_id, "waiting")
    if not waiting:
        return (), ()
    edit.put(session_id, waiting=())
    calls = tuple(tool.call for tool in waiting)
    return calls, tuple(tool.result for tool in waiting if tool.result is not None)


def flush_waiting(edit: Edit, session_id: str) -> None:
    """No message came for them: what waits becomes a message of its own (§8 T4)."""
    calls, results = take_waiting(edit, session_id)
    if not calls:
        return
    record: Record = edit.records[session_id]
    user = record.user_session_id or edit.get("user_session_id")
    sub = user is not None and user != session_id
    message = Message(
        id=edit.new_id(),
        session_id=session_id,
        role=ASSISTANT,
        content="",
        timestamp=moment(edit.now),
        tool_calls=calls,
        tool_results=results,
        is_sub_session=sub,
        parent_session_id=record.parent_session_id,
        user_session_id=record.user_session_id or (user if sub else None),
    )
    remember(edit, message)
    edit.append(message)
    edit.notes.append(MessageComplete(session_id=session_id, message=message))


def interrupt(edit: Edit, session_id: str) -> None:
    """A user's message ends what its session has open (§8 U2)."""
    edit.complete(session_id, "interrupted", INTERRUPTED)
    flush_waiting(edit, session_id)
