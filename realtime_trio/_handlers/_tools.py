"""Tool-call manager: what tools do, and to which message they belong (§8 T1-T5)."""

from __future__ import annotations

from typing import Literal

import attrs

from .._core._messages import (
    ASSISTANT,
    Message,
    MessageMetadata,
    OpenMessage,
    with_changes,
)
from .._core._notifications import (
    MessageComplete,
    MessageUpdated,
    ToolCallComplete,
    ToolNotification,
    ToolStatus,
)
from .._core._state import ActiveTool, TextSlice, WaitingTool
from .._core._values import Log, Recent, draft_of, evolve
from ..events import Lane, ToolCall, ToolCallEvent, ToolResult, ToolSelectDeltaEvent
from ._edit import ENDED, EXECUTING, PREPARING, TOOL_ROLES, UNKNOWN, Edit
from ._fold import Handled, fold_event

__all__ = [
    "INTERRUPTED",
    "flush_waiting",
    "interrupt",
    "remember",
    "remember_history",
    "take_waiting",
    "thoughts_start",
    "tool_note",
]

THINK = "think"
INTERRUPTED = MessageMetadata(stop_reason="interrupted")
# Bound on tools that are active, or wait, at one time; far more than any model calls.
TOOL_LIMIT = 1024

Key = tuple[str, str]
# The turn of a tool that only the server's list knows.
EARLIER = -1


@fold_event(ToolSelectDeltaEvent, Lane.TEXT)
def tool_select(slice_: TextSlice, event: ToolSelectDeltaEvent) -> Handled[TextSlice]:
    """The model chooses: each id is announced once, however often the list comes (§8 T1)."""
    if not event.tool_calls:
        return slice_, ()
    edit = Edit(slice_)
    if edit.is_late(event.session_id):
        return edit.discard(event.session_id)
    edit.ensure_for(event)
    edit.stream_event(event.session_id)
    for call in event.tool_calls:
        key = (event.session_id, call.id)
        rank = edit.rank(key)
        if rank == UNKNOWN:
            _announce(edit, key, call, "preparing")
        elif rank == PREPARING and key in edit.active:
            known = edit.active[key]
            edit.tools[key] = ActiveTool(*key, known.tool_name, known.status, call.input)
    return edit.done()


@fold_event(ToolCallEvent, Lane.TEXT)
def tool_call(slice_: TextSlice, event: ToolCallEvent) -> Handled[TextSlice]:
    """Tools run, or have run."""
    if not event.tool_calls:
        return slice_, ()
    edit = Edit(slice_)
    late = edit.is_late(event.session_id)
    if late and event.active:
        return edit.discard(event.session_id)
    edit.ensure_for(event)
    edit.stream_event(event.session_id)
    calls = _without_think(edit, event.session_id, event.tool_calls)
    if event.active:
        for call in calls:
            key = (event.session_id, call.id)
            if edit.rank(key) < EXECUTING:
                _announce(edit, key, call, "executing")
    elif calls:
        _finish(edit, event, calls, late=late)
    return edit.done()


def _finish(edit: Edit, event: ToolCallEvent, calls: tuple[ToolCall, ...], *, late: bool) -> None:
    session_id = event.session_id
    results = event.tool_results or ()
    if len(calls) != len(event.tool_calls or ()):
        thinking = {call.id for call in event.tool_calls or () if call.name == THINK}
        results = tuple(r for r in results if r.tool_use_id not in thinking)
    for call in calls:
        _complete(edit, (session_id, call.id), call, late=late)
    edit.notes.append(
        ToolCallComplete(session_id=session_id, tool_calls=calls, tool_results=results)
    )
    by_id = {result.tool_use_id: result for result in results}
    for call in calls:
        tool = WaitingTool(call, by_id.get(call.id), event.parent_session_id, event.user_session_id)
        _attach(edit, session_id, tool)


def _without_think(
    edit: Edit, session_id: str, calls: tuple[ToolCall, ...]
) -> tuple[ToolCall, ...]:
    """The calls but for ``think``, whose notification ends when its call comes (§8 T3)."""
    others: list[ToolCall] = []
    for call in calls:
        if call.name == THINK:
            key = (session_id, call.id)
            if key in edit.active:
                edit.remove_tool(key)
            edit.leave_tool(key, ENDED)
        else:
            others.append(call)
    return tuple(others)


def thoughts_start(edit: Edit, session_id: str) -> None:
    """Thoughts are what the ``think`` tool shows: its notification has done its work (§8 T3)."""
    for key, tool in list(edit.active.items()):
        if key[0] == session_id and tool.tool_name == THINK:
            edit.remove_tool(key)


def _announce(
    edit: Edit, key: Key, call: ToolCall, status: Literal["preparing", "executing"]
) -> None:
    if key not in edit.active:
        if _attached(edit, key):  # an id that an earlier turn used: this is another call
            edit.set(attached=edit.get("attached").set(key, ""))
        if len(edit.active) >= TOOL_LIMIT:
            edit.remove_tool(next(iter(edit.active)))
    edit.tools[key] = ActiveTool(*key, call.name, status, call.input)
    edit.notes.append(tool_note(key, call, status))


_NoteDraft = draft_of(ToolNotification)


def tool_note(key: Key, call: ToolCall, status: ToolStatus) -> ToolNotification:
    """Make what the constructor makes, at much less cost: each call has three or more."""
    note = _NoteDraft()
    note.session_id, note.id = key
    note.tool_name = call.name
    note.status = status
    note.arguments = call.input
    note.__class__ = ToolNotification
    made: ToolNotification = note
    return made


def _complete(edit: Edit, key: Key, call: ToolCall, *, late: bool) -> None:
    """Announce a tool's end once; after a cancel its notification has been removed already."""
    if not late and not edit.has_ended(key):
        edit.notes.append(tool_note(key, call, "complete"))
    edit.leave_tool(key, ENDED)


# --- attaching ----------------------------------------------------------------------------


def _attach(edit: Edit, session_id: str, tool: WaitingTool) -> None:
    """Give a tool that has run to its message, or let it wait for one (§8 T4)."""
    attached = _attached(edit, (session_id, tool.call.id))
    if attached and _replace(edit, session_id, attached, tool):
        return
    waiting: tuple[WaitingTool, ...] = edit.value(session_id, "waiting")
    if waiting and any(other.call.id == tool.call.id for other in waiting):
        waiting = tuple(
            _repeated(other, tool) if other.call.id == tool.call.id else other for other in waiting
        )
        edit.put(session_id, waiting=waiting)
        return
    open_message = edit.open.get(session_id)
    if open_message is not None and open_message.role in TOOL_ROLES:
        _update_open(edit, open_message, tool)
        return
    log: Log[Message] = edit.value(session_id, "messages")
    target: int = edit.value(session_id, "target")
    if target >= log.dropped:
        _update_stored(edit, session_id, target, tool)
    elif len(waiting) < TOOL_LIMIT:
        edit.put(session_id, waiting=(*waiting, tool))
    else:
        flush_waiting(edit, session_id)
        _attach(edit, session_id, tool)


def _repeated(known: WaitingTool, tool: WaitingTool) -> WaitingTool:
    """What waits after a repeated end; a repetition that brings no result leaves what there is."""
    return tool if tool.result is not None else attrs.evolve(tool, result=known.result)


def _with_tool(message: Message, tool: WaitingTool) -> Message:
    """The message with a tool, in place of one of the same id where there is one."""
    call, result = tool.call, tool.result
    calls, results = message.tool_calls, message.tool_results
    if call.id in [known.id for known in calls]:
        calls = tuple([call if known.id == call.id else known for known in calls])
    else:
        calls = (*calls, call)
    if result is not None:  # a repetition that brings none leaves what there is
        if call.id in [known.tool_use_id for known in results]:
            results = tuple([result if r.tool_use_id == call.id else r for r in results])
        else:
            results = (*results, result)
    return with_changes(message, tool_calls=calls, tool_results=results)


def _attached(edit: Edit, key: Key) -> str | None:
    """The id of the message that has a tool."""
    attached: Recent[Key, str] = edit.get("attached")
    return attached.get(key)


def _replace(edit: Edit, session_id: str, message_id: str, tool: WaitingTool) -> bool:
    """Put a repeated end in the place of the first, in whatever message that stands.

    Not done where that message is no longer kept.
    """
    open_message = edit.open.get(session_id)
    if open_message is not None and open_message.id == message_id:
        _update_open(edit, open_message, tool)
        return True
    log: Log[Message] = edit.value(session_id, "messages")
    for position in range(log.end - 1, log.dropped - 1, -1):
        if log.at(position).id == message_id:
            _update_stored(edit, session_id, position, tool)
            return True
    return False


def _update_open(edit: Edit, open_message: OpenMessage, tool: WaitingTool) -> None:
    head = _with_tool(open_message.head, tool)
    changed = evolve(open_message, head=head)
    edit.set_open(head.session_id, changed)
    remember(edit, head)
    edit.notes.append(MessageUpdated(session_id=head.session_id, message=changed.snapshot()))


def _update_stored(edit: Edit, session_id: str, position: int, tool: WaitingTool) -> None:
    log: Log[Message] = edit.value(session_id, "messages")
    message = _with_tool(log.at(position), tool)
    edit.put(session_id, messages=log.replace(position, message))
    remember(edit, message)
    edit.notes.append(MessageUpdated(session_id=session_id, message=message))


def remember_history(edit: Edit, message: Message) -> None:
    """Keep in mind which tools a message of the server's list has, and which of them have ended."""
    remember(edit, message)
    for result in message.tool_results:
        key = (message.session_id, result.tool_use_id)
        if edit.rank(key) == UNKNOWN:
            edit.set(ranks=edit.get("ranks").set(key, (EARLIER, ENDED)))


def remember(edit: Edit, message: Message) -> None:
    """Keep in mind which message has which tools, for an end that is repeated."""
    for call in message.tool_calls:
        key = (message.session_id, call.id)
        if _attached(edit, key) != message.id:
            edit.set(attached=edit.get("attached").set(key, message.id))


def take_waiting(
    edit: Edit, session_id: str
) -> tuple[tuple[ToolCall, ...], tuple[ToolResult, ...]]:
    """The calls and results that wait, for a message that takes them now."""
    waiting: tuple[WaitingTool, ...] = edit.value(session_id, "waiting")
    if not waiting:
        return (), ()
    edit.put(session_id, waiting=())
    calls = tuple(tool.call for tool in waiting)
    return calls, tuple(tool.result for tool in waiting if tool.result is not None)


def flush_waiting(edit: Edit, session_id: str) -> None:
    """No message came for them: what waits becomes a message of its own (§8 T4)."""
    waiting: tuple[WaitingTool, ...] = edit.value(session_id, "waiting")
    if not waiting:
        return
    calls, results = take_waiting(edit, session_id)
    message = edit.message_in(
        session_id,
        ASSISTANT,
        content="",
        tool_calls=calls,
        tool_results=results,
        parent_session_id=waiting[-1].parent_session_id,
        user_session_id=waiting[-1].user_session_id,
    )
    remember(edit, message)
    edit.append(message)
    edit.notes.append(MessageComplete(session_id=session_id, message=message))


def interrupt(edit: Edit, session_id: str) -> None:
    """A user's message ends what its session has open (§8 U2)."""
    edit.complete(session_id, "interrupted", INTERRUPTED)
    flush_waiting(edit, session_id)
