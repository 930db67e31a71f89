"""The fast decoder: one pass over the text of a frame.

Its techniques, largest gain first:

1. msgspec parses JSON directly into a struct, without an intermediate dict. Every type has one,
   its *wire form* (see ``_wire_forms``), and one union decodes them all: the tag selects the form.
2. Filling an attrs class takes longer than parsing the text. A generated function therefore makes
   the event from its wire form without repeating the checks of the decoder.
3. A delta stays a :class:`Delta`, which represents its event in the fold. The event itself is
   created when the application receives it.

The fast decoder never rejects an event. If it raises ``ValueError``, the converter decodes the
frame (see ``_codec``): it knows what a server may omit or get wrong, and reports the path of a
fault. The two can differ only if the fast decoder accepts a frame that the converter rejects or
decodes differently; property tests check that they agree. An object with two ``type`` fields is one
such case: msgspec rejects two that differ.
"""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any, ClassVar, TypeAlias, Union, cast

import msgspec

from ..events import ServerEvent, TextDeltaEvent, ThoughtDeltaEvent
from ._unchecked import unchecked_constructor
from ._wire_forms import Reader, wire_forms

__all__ = ["DELTAS", "Delta", "Incoming", "Reader", "fast_decoders"]


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


@functools.cache
def fast_decoders() -> tuple[Callable[[str | bytes], Any], dict[type[msgspec.Struct], Reader]]:
    """Return the decoder of wire forms, and the function that makes each form's event.

    A delta has no such function. The result is created on first use and shared.
    """
    readers = wire_forms()
    union = Union[(*DELTAS, *readers)]  # type: ignore[valid-type]
    return cast("Callable[[str | bytes], Any]", msgspec.json.Decoder(union).decode), readers
