"""The fast decoder, for the event types that make up a stream.

Its techniques, largest gain first:

1. msgspec parses JSON directly into the target class, without an intermediate dict.
2. One pass finds the type of a frame and, if it is a delta, decodes it completely. For every other
   type the head has no fields and the type's own decoder runs next.
3. A delta is decoded into a :class:`Delta`, a struct, because filling an attrs class takes longer
   than parsing the text. It has the fields of its event and represents it in the fold. The event
   itself is created when the application receives it.

The fast decoder never rejects an event. If it raises ``ValueError``, the converter decodes the
frame (see ``_codec``): it knows the vendors' variants and reports the path of a fault. The two can
differ only if this one accepts a frame that the converter rejects or decodes differently; property
tests check that they agree. An object with two ``type`` fields is one such case: msgspec rejects
two that differ.
"""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any, ClassVar, TypeAlias, TypeVar, Union, cast

import msgspec

from ..events import (
    AnthropicUserMessageEvent,
    AvatarListEvent,
    CancelledEvent,
    ChatSessionAddedEvent,
    ChatSessionChangedEvent,
    ChatUserDataEvent,
    CompleteThoughtEvent,
    CompletionEvent,
    ErrorEvent,
    HistoryDeltaEvent,
    InteractionEvent,
    MessageEvent,
    OpenAIUserMessageEvent,
    PingEvent,
    PongEvent,
    ServerEvent,
    SubsessionEndedEvent,
    SubsessionStartedEvent,
    SystemMessageEvent,
    SystemPromptEvent,
    TextDeltaEvent,
    ThoughtDeltaEvent,
    ToolCallEvent,
    ToolSelectDeltaEvent,
    UiSessionIdChangedEvent,
    UserTurnEndEvent,
    UserTurnStartEvent,
    VoiceListEvent,
)
from ._tool_shapes import normalise_tool_call, normalise_tool_result
from ._values import unchecked_constructor

__all__ = ["DELTAS", "Delta", "Incoming", "Reader", "fast_decoders"]

Reader = Callable[[str | bytes], ServerEvent]
_T = TypeVar("_T")

# Frequent types with only fields that msgspec decodes as cattrs does.
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
    AvatarListEvent,
    CancelledEvent,
    ChatSessionChangedEvent,
    ChatUserDataEvent,
    ErrorEvent,
    SubsessionEndedEvent,
    SubsessionStartedEvent,
    UiSessionIdChangedEvent,
    VoiceListEvent,
)


class Delta(msgspec.Struct, frozen=True, gc=False):
    """A delta in its wire form, with the fields of its event."""

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
        """Create the event that this delta represents."""
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


# The result for a frame: an event, or the struct that represents it in the fold. The few deltas
# that the fast decoder cannot read are events and are not coalesced.
Incoming: TypeAlias = ServerEvent | Delta

# The struct of each delta, and the event class it represents.
DELTAS: dict[type[Delta], type[ServerEvent]] = {
    cls: cls.event_class for cls in (_TextDelta, _ThoughtDelta)
}


class _ToolCall(msgspec.Struct):
    """A ``tool_call`` in its wire form: each vendor writes calls differently."""

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
    """Create an event whose records have many forms, with the converter's functions."""
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
    """Reject an event with skipped parts, so that the converter records them."""
    raise ValueError


@functools.cache
def fast_decoders() -> tuple[Callable[[str | bytes], Any], dict[type, Reader]]:
    """Return the head decoder, and the decoder for the rest by class of head.

    A delta needs no second decoder. The result is created on first use and shared.
    """
    readers: dict[str, Reader] = {cls.type: msgspec.json.Decoder(cls).decode for cls in _DIRECT}
    readers[ToolCallEvent.type] = _tool_call
    heads = {tag: msgspec.defstruct(f"_{tag}", [], tag=tag) for tag in readers}
    union = Union[(*DELTAS, *heads.values())]  # type: ignore[valid-type]
    return (
        cast("Callable[[str | bytes], Any]", msgspec.json.Decoder(union).decode),
        {heads[tag]: reader for tag, reader in readers.items()},
    )
