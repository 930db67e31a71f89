"""The fast way from a frame to an event, for the types that make up a stream.

What it rests on, in the order of the gain:

1. JSON is read by msgspec straight into the class that it becomes; no dict in between.
2. One pass finds out what a frame is and, where it is a delta (nine of ten are), reads the
   whole of it: the head of every other type has no fields, and its own reader goes next.
3. A delta is read into a :class:`Delta`, a struct, because to fill an attrs class takes longer
   than to read the text. It has the fields of its event and stands for it in the fold;
   the event itself is made where somebody gets to see it.

The fast way never has the last word. What it cannot read raises ``ValueError`` and goes the
plain way (see ``_codec``), which knows the vendors' odd forms and can say where a fault is.
So the two could only differ where this one takes what the plain way refuses or reads
otherwise; property tests hold them equal. A ``type`` that stands twice in an object is such
a case: msgspec refuses two that differ.
"""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any, ClassVar, TypeAlias, TypeVar, Union, cast

import msgspec

from ..events import (
    AnthropicUserMessageEvent,
    ChatSessionAddedEvent,
    CompleteThoughtEvent,
    CompletionEvent,
    HistoryDeltaEvent,
    InteractionEvent,
    MessageEvent,
    OpenAIUserMessageEvent,
    PingEvent,
    PongEvent,
    ServerEvent,
    SystemMessageEvent,
    SystemPromptEvent,
    TextDeltaEvent,
    ThoughtDeltaEvent,
    ToolCallEvent,
    ToolSelectDeltaEvent,
    UserTurnEndEvent,
    UserTurnStartEvent,
)
from ._tool_shapes import normalise_tool_call, normalise_tool_result
from ._values import unchecked_constructor

__all__ = ["DELTAS", "Delta", "Incoming", "Reader", "fast_way"]

Reader = Callable[[str | bytes], ServerEvent]
_T = TypeVar("_T")

# Types whose every field msgspec reads as cattrs does, and that come often.
_DIRECT: tuple[type[ServerEvent], ...] = (
    CompletionEvent,
    InteractionEvent,
    CompleteThoughtEvent,
    MessageEvent,
    HistoryDeltaEvent,
    SystemMessageEvent,
    SystemPromptEvent,
    ToolSelectDeltaEvent,
    AnthropicUserMessageEvent,
    OpenAIUserMessageEvent,
    ChatSessionAddedEvent,
    UserTurnStartEvent,
    UserTurnEndEvent,
    PingEvent,
    PongEvent,
)


class Delta(msgspec.Struct, frozen=True, gc=False):
    """A delta as it stands on the wire: field by field what its event has."""

    event_class: ClassVar[type[ServerEvent]]
    type: ClassVar[str]
    make: ClassVar[Callable[..., ServerEvent]]

    content: str
    session_id: str = ""
    role: str = "assistant"
    id: Any = None
    parent_session_id: str | None = None
    user_session_id: str | None = None
    format: str = "markdown"

    def event(self) -> ServerEvent:
        """The event that this is."""
        return self.make(
            id=self.id,
            session_id=self.session_id,
            role=self.role,
            parent_session_id=self.parent_session_id,
            user_session_id=self.user_session_id,
            content=self.content,
            format=self.format,
        )


class _TextDelta(Delta, frozen=True, gc=False, tag="text_delta"):
    event_class = TextDeltaEvent
    type = "text_delta"
    make = staticmethod(unchecked_constructor(TextDeltaEvent))


class _ThoughtDelta(Delta, frozen=True, gc=False, tag="thought_delta"):
    event_class = ThoughtDeltaEvent
    type = "thought_delta"
    make = staticmethod(unchecked_constructor(ThoughtDeltaEvent))

    role: str = "assistant (thought)"


# What a frame is read into: an event, or the struct that stands for it in the fold. The few
# deltas that cannot be read the fast way are events, and stay alone.
Incoming: TypeAlias = ServerEvent | Delta

# The struct of each delta, and the event that it stands for.
DELTAS: dict[type[Delta], type[ServerEvent]] = {
    cls: cls.event_class for cls in (_TextDelta, _ThoughtDelta)
}


class _ToolCall(msgspec.Struct):
    """A ``tool_call`` as it stands on the wire, where each vendor writes its calls its own way."""

    active: bool
    session_id: str = ""
    role: str = "assistant"
    id: Any = None
    parent_session_id: str | None = None
    user_session_id: str | None = None
    vendor: str | None = None
    tool_calls: list[Any] | None = None
    tool_results: list[Any] | None = None


_tool_call_event = unchecked_constructor(ToolCallEvent)
_read_tool_call = msgspec.json.Decoder(_ToolCall).decode


def _tool_call(frame: str | bytes) -> ToolCallEvent:
    """An event whose records have many forms: the plain way's own readers take them."""
    raw = _read_tool_call(frame)
    return _tool_call_event(
        id=raw.id,
        session_id=raw.session_id,
        role=raw.role,
        parent_session_id=raw.parent_session_id,
        user_session_id=raw.user_session_id,
        active=raw.active,
        vendor=raw.vendor,
        tool_calls=_each(normalise_tool_call, raw.tool_calls),
        tool_results=_each(normalise_tool_result, raw.tool_results),
    )


def _each(
    read: Callable[[object, Callable[[str], None]], _T], items: list[Any] | None
) -> tuple[_T, ...] | None:
    return None if items is None else tuple([read(item, _refuse) for item in items])


def _refuse(_path: str) -> None:
    """Leave an event of which something is left out to the plain way, which says what."""
    raise ValueError


@functools.cache
def fast_way() -> tuple[Callable[[str | bytes], Any], dict[type, Reader]]:
    """The reader of heads, and by class of head the reader of the rest; a delta needs none.

    Made when it is first asked for, and shared: it has no state.
    """
    readers: dict[str, Reader] = {cls.type: msgspec.json.Decoder(cls).decode for cls in _DIRECT}
    readers[ToolCallEvent.type] = _tool_call
    heads = {tag: msgspec.defstruct(f"_{tag}", [], tag=tag) for tag in readers}
    union = Union[(*DELTAS, *heads.values())]  # type: ignore[valid-type]
    return (
        cast("Callable[[str | bytes], Any]", msgspec.json.Decoder(union).decode),
        {heads[tag]: reader for tag, reader in readers.items()},
    )
