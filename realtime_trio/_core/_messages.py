"""Messages in the form applications see, the same for every vendor (protocol.md §8 M6, U1)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any, ClassVar, Literal, TypeAlias, TypedDict

import attrs

from .._value import Value
from ..events import ToolCall, ToolResult
from ._unchecked import unchecked_constructor
from ._values import Compared, Rope

__all__ = [
    "ASSISTANT",
    "THOUGHT",
    "Content",
    "ImagePart",
    "Message",
    "MessageMetadata",
    "MessageOptions",
    "MessageStatus",
    "OpenMessage",
    "Part",
    "PlaceholderPart",
    "TextPart",
    "ToolResultPart",
    "ToolUsePart",
    "make_message",
    "moment",
    "recorded_moment",
    "with_text",
    "with_tools",
]

ASSISTANT = "assistant"
THOUGHT = "assistant (thought)"

MessageStatus: TypeAlias = Literal["streaming", "complete", "cancelled", "interrupted"]


# The years 1 to 9999: the range of datetime.
_FIRST, _LAST = -62_135_596_800.0, 253_402_300_799.0


def moment(at: float) -> datetime:
    """Return the UTC time of ``at`` seconds since 1970, clamped to the range of datetime."""
    if not _FIRST <= at <= _LAST:
        at = _FIRST if at < _FIRST else _LAST
    return datetime.fromtimestamp(at, UTC)


def recorded_moment(value: object) -> datetime | None:
    """Return the time in a record: ISO text (UTC if it has no zone) or seconds since 1970.

    Returns ``None`` for anything else, including numbers outside the range of datetime.
    """
    if isinstance(value, str):
        try:
            read = datetime.fromisoformat(value.strip())
            return read.replace(tzinfo=UTC) if read.tzinfo is None else read.astimezone(UTC)
        except (ValueError, OverflowError):
            return None
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        return None
    return moment(value) if _FIRST <= value <= _LAST else None


@attrs.frozen(slots=True, eq=False, repr=False)
class TextPart(Value):
    """Text. ``thinking`` marks a vendor's thinking; ``title`` and ``url`` belong to a document.

    ``citations`` are the vendor's citation records, unchanged. ``block`` is the vendor's whole
    block if the text does not hold all of it (a document, signed thinking); ``to_vendor`` returns
    it. Comparison ignores ``block``.
    """

    type: ClassVar[str] = "text"
    text: str
    thinking: bool = False
    title: str | None = None
    url: str | None = None
    citations: tuple[Any, ...] | None = None
    block: Mapping[str, Any] | None = attrs.field(default=None, eq=False, repr=False)

    @property
    def is_plain(self) -> bool:
        """Whether the part has only text."""
        fields = (self.title, self.url, self.citations, self.block)
        return not self.thinking and fields == (None, None, None, None)


@attrs.frozen(slots=True, eq=False, repr=False)
class ImagePart(Value):
    """An image: base64 ``data`` with its ``media_type``, or a ``url``.

    ``source_type`` names which one; ``detail`` is the value in OpenAI's history.
    """

    type: ClassVar[str] = "image"
    source_type: Literal["base64", "url"]
    media_type: str | None = None
    data: str | None = None
    url: str | None = None
    detail: str | None = None


@attrs.frozen(slots=True, eq=False, repr=False)
class ToolUsePart(Value):
    """A tool call inside a message."""

    type: ClassVar[str] = "tool_use"
    id: str
    name: str
    input: Mapping[str, Any]


@attrs.frozen(slots=True, eq=False, repr=False)
class ToolResultPart(Value):
    """A tool result inside a message; nested text is joined."""

    type: ClassVar[str] = "tool_result"
    tool_use_id: str
    content: str
    is_error: bool = False


@attrs.frozen(slots=True, eq=False, repr=False)
class PlaceholderPart(Value):
    """A block that cannot be shown; ``block_type`` is its type.

    ``block`` is the original block; ``to_vendor`` returns it unchanged.
    """

    type: ClassVar[str] = "placeholder"
    block_type: str
    block: Any = None


Part: TypeAlias = TextPart | ImagePart | ToolUsePart | ToolResultPart | PlaceholderPart
Content: TypeAlias = str | tuple[Part, ...]


@attrs.frozen(slots=True, eq=False, repr=False)
class MessageMetadata(Value):
    """Metadata from the ``completion`` event of a message (protocol.md §8 M3).

    A field is ``None`` if the event did not set it. ``stop_reason`` is the server's value
    ("end_turn", "tool_use"), or "cancelled" or "interrupted" if the client detected that.
    """

    input_tokens: int | None = None
    output_tokens: int | None = None
    stop_reason: str | None = None


NO_METADATA = MessageMetadata()


@attrs.frozen(slots=True, kw_only=True)
class Message:
    """One immutable message. A later change is a new value with the same id.

    ``role`` is "user", "assistant" or "assistant (thought)", or another value from the server.
    ``content`` is text, or a tuple of parts. ``format`` is the server's name for the text's format.
    ``status`` is "streaming" only in the head of an :class:`OpenMessage`; afterwards it is
    "complete", "cancelled" (by the user) or "interrupted" (another event arrived in place of its
    end). ``timestamp`` (UTC) is the arrival time of the first delta. For a message of a loaded
    history it is the time in its record (``timestamp``, ``created_at`` or ``updated_at``, as ISO
    text or in seconds since 1970), or the load time if the record has none. ``tool_calls`` and
    ``tool_results`` are attached to the message: immutable sequences that equal a tuple of the
    same items. Their numbers can differ, and an id can occur twice because a vendor may reuse it.
    ``is_sub_session`` is true in a session that an agent delegated to.
    """

    id: str
    session_id: str
    role: str
    content: Content
    format: str = "markdown"
    status: MessageStatus = "complete"
    timestamp: datetime
    tool_calls: Sequence[ToolCall] = ()
    tool_results: Sequence[ToolResult] = ()
    metadata: MessageMetadata = NO_METADATA
    is_sub_session: bool = False
    parent_session_id: str | None = None
    user_session_id: str | None = None


class MessageOptions(TypedDict, total=False):
    """Optional fields of a new message."""

    format: str
    status: MessageStatus
    tool_calls: Sequence[ToolCall]
    tool_results: Sequence[ToolResult]


# A fold creates one per message and per change of a stored message.
make_message = unchecked_constructor(Message)


def with_text(
    message: Message,
    text: str,
    status: MessageStatus = "streaming",
    metadata: MessageMetadata = NO_METADATA,
) -> Message:
    """Return a message with its text. Much cheaper than ``attrs.evolve``; runs once per message."""
    return make_message(
        id=message.id,
        session_id=message.session_id,
        role=message.role,
        content=text,
        format=message.format,
        status=status,
        timestamp=message.timestamp,
        tool_calls=message.tool_calls,
        tool_results=message.tool_results,
        metadata=metadata,
        is_sub_session=message.is_sub_session,
        parent_session_id=message.parent_session_id,
        user_session_id=message.user_session_id,
    )


def with_tools(
    message: Message, calls: Sequence[ToolCall], results: Sequence[ToolResult]
) -> Message:
    """Return a message with other tools, at the same low cost; runs once per completed tool."""
    return make_message(
        id=message.id,
        session_id=message.session_id,
        role=message.role,
        content=message.content,
        format=message.format,
        status=message.status,
        timestamp=message.timestamp,
        tool_calls=calls,
        tool_results=results,
        metadata=message.metadata,
        is_sub_session=message.is_sub_session,
        parent_session_id=message.parent_session_id,
        user_session_id=message.user_session_id,
    )


class OpenMessage(Compared, frozen=True, eq=False, gc=False):
    """A message under construction. ``head`` is the message without its text.

    Reading :attr:`content` joins the deltas received since the last read.

    ``touched`` is the tick of its last delta, or 0 if there was none since the server's list of its
    session (§8 S1). ``half`` is an unpaired surrogate that the next delta may complete (§2 L4); it
    is hidden until then. ``cut`` is true if the link was lost and no delta has followed.
    """

    head: Message
    text: Rope
    touched: int = 0
    half: str = ""
    cut: bool = False

    def __eq__(self, other: object) -> bool:
        """Compare everything except times."""
        if not isinstance(other, OpenMessage):
            return NotImplemented
        return (
            self.head == other.head
            and self.text == other.text
            and self.half == other.half
            and self.cut == other.cut
        )

    def __hash__(self) -> int:
        return hash((self.head.id, self.text))

    @property
    def content(self) -> str:
        """The text so far."""
        return str(self.text)

    @property
    def id(self) -> str:
        """The message's id; it stays the same when the message completes."""
        return self.head.id

    @property
    def role(self) -> str:
        """The speaker's role."""
        return self.head.role

    def snapshot(self) -> Message:
        """Return the message so far, with status ``streaming``."""
        return with_text(self.head, str(self.text))

    def finish(self, status: MessageStatus, metadata: MessageMetadata) -> Message:
        """Return the finished message."""
        return with_text(self.head, str(self.text), status, metadata)
