"""Message builder: fold deltas into one open message per session (§8 M1-M9).

A delta can end with a high surrogate. The message keeps it hidden until the next delta completes
the character (§2 L4).
"""

from __future__ import annotations

from .._core import _constructors as make
from .._core._constructors import streaming
from .._core._fast_decoder import DELTAS
from .._core._messages import NO_METADATA, THOUGHT, MessageMetadata, OpenMessage
from .._core._state import TextSlice
from .._core._unicode import has_no_surrogates, split_incomplete
from .._core._values import Rope
from ..events import (
    CompletionEvent,
    InteractionEvent,
    Lane,
    MessageEvent,
    SessionEvent,
    TextDeltaEvent,
    ThoughtDeltaEvent,
)
from . import _tools, _turn
from ._attach import record_attached, take_waiting
from ._fold import Handled, fold_event
from ._new_message import message_of
from ._transaction import INTERRUPTED, TOOL_ROLES, begin

# Deltas from the fast decoder contain no surrogates.
_STRUCTS: frozenset[type] = frozenset(DELTAS)


def _delta(
    slice_: TextSlice, event: TextDeltaEvent | ThoughtDeltaEvent, role: str = ""
) -> Handled[TextSlice]:
    """Fold a delta of text or of a thought: usually it extends the open message.

    This is the hot path, in one function: it creates three small values.
    """
    session_id, text = event.session_id, event.content
    role = role or event.role
    others = slice_.open
    open_message = others.get(session_id)
    if open_message is None:
        return _begin(slice_, event, role, text, event.format)
    head = open_message.head
    if (
        text
        and head.role == role
        and not open_message.half
        and (text.isascii() or event.__class__ in _STRUCTS or has_no_surrogates(text))
    ):
        tick = slice_.tick + 1
        longer = OpenMessage(head, open_message.text.append(text), tick)
        open_ = {session_id: longer} if len(others) == 1 else {**others, session_id: longer}
        return (
            TextSlice(slice_.rest, open_, tick, slice_.now),
            (streaming(session_id, head.id, role, text),),
        )
    if not text and open_message.touched and head.role == role:
        return slice_, ()  # an empty delta changes nothing, coalesced or not
    return _begin(slice_, event, role, text, event.format)


text_delta = fold_event(TextDeltaEvent, Lane.TEXT)(_delta)


@fold_event(ThoughtDeltaEvent, Lane.TEXT)
def thought_delta(slice_: TextSlice, event: ThoughtDeltaEvent) -> Handled[TextSlice]:
    """Fold a delta of a thought, including thoughts of the ``think`` tool (§8 T3)."""
    if slice_.rest.tools and event.content:
        return _begin(slice_, event, THOUGHT, event.content, event.format)
    return _delta(slice_, event, THOUGHT)


def _begin(
    slice_: TextSlice, event: SessionEvent, role: str, text: str, format_: str
) -> Handled[TextSlice]:
    """Fold a delta that does more than extend the open message."""
    txn = begin(slice_)
    session_id = event.session_id
    if txn.is_late(session_id):
        return txn.discard(session_id)
    txn.ensure_stream(event, exists=True)
    if not text:  # no text yet (§8 M2)
        return txn.done()
    if role == THOUGHT:
        _tools.thoughts_start(txn, session_id)
    open_message = txn.open.get(session_id)
    if open_message is not None and open_message.head.role == role:
        head, rope = open_message.head, open_message.text
        shown, half = split_incomplete(open_message.half + text)
        longer = OpenMessage(head, rope.append(shown) if shown else rope, txn.tick, half)
    else:
        txn.complete(session_id)
        calls, results = take_waiting(txn, session_id) if role in TOOL_ROLES else ((), ())
        head = message_of(
            txn,
            event,
            role,
            content="",
            format=format_,
            status="streaming",
            tool_calls=calls,
            tool_results=results,
        )
        record_attached(txn, head)
        shown, half = split_incomplete(text)
        longer = OpenMessage(head, Rope.of(shown), txn.tick, half)
    txn.set_open(session_id, longer)
    if shown:
        txn.emit(streaming(session_id, head.id, role, shown))
    return txn.done()


@fold_event(MessageEvent, Lane.TEXT)
def whole_message(slice_: TextSlice, event: MessageEvent) -> Handled[TextSlice]:
    """Store a whole message unchanged (§8 M9)."""
    txn = begin(slice_)
    txn.ensure_stream(event, exists=True)
    txn.complete(event.session_id)
    takes = event.role in TOOL_ROLES
    calls, results = take_waiting(txn, event.session_id) if takes else ((), ())
    message = message_of(
        txn,
        event,
        event.role,
        content=event.content,
        format=event.format,
        tool_calls=calls,
        tool_results=results,
    )
    record_attached(txn, message)
    txn.append(message)
    txn.emit(make.message_complete(session_id=event.session_id, message=message))
    return txn.done()


@fold_event(CompletionEvent, Lane.TEXT)
def completion(slice_: TextSlice, event: CompletionEvent) -> Handled[TextSlice]:
    """Start or end a model call; both are message boundaries (§8 M3)."""
    txn = begin(slice_)
    session_id = event.session_id
    session = txn.ensure_stream(event)
    if event.running:
        txn.accept_deltas(session_id)
        txn.complete(session_id)
        session.completions += 1
        return txn.done()
    spent_in, spent_out = event.input_tokens or 0, event.output_tokens or 0
    session.input_tokens += spent_in
    session.output_tokens += spent_out
    session.token_count += spent_in + spent_out
    _turn.completion_ended(txn, event)
    metadata = MessageMetadata(event.input_tokens, event.output_tokens, event.stop_reason)
    txn.complete(session_id, metadata=metadata)
    return txn.done()


@fold_event(InteractionEvent, Lane.TEXT)
def interaction(slice_: TextSlice, event: InteractionEvent) -> Handled[TextSlice]:
    """Start or end the runtime's interaction in a session (§8 M4, T5)."""
    txn = begin(slice_)
    session_id = event.session_id
    session = txn.ensure_stream(event)
    session.is_running = event.started
    _turn.interaction(txn, event)
    if event.started:
        txn.accept_deltas(session_id)
        txn.complete(session_id, "interrupted", INTERRUPTED)
        txn.remove_tools(session_id)
    else:
        txn.complete(session_id, metadata=NO_METADATA)
        txn.clear_tools(session_id)
        txn.emit(make.session_notifications_cleared(session_id=session_id))
    return txn.done()
