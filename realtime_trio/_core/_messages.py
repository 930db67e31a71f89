"""Messages as an application sees them, the same for every vendor (protocol.md §8 M6, U1)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any, ClassVar, Literal, TypeAlias, TypedDict

import attrs

from .._value import Value
from ..events import ToolCall, ToolResult
from ._values import Compared, Rope, unchecked_constructor

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
    "moment",
    "recorded_moment",
    "with_text",
    "with_tools",
]

ASSISTANT = "assistant"
THOUGHT = "assistant (thought)"

MessageStatus: TypeAlias = Literal["streaming", "complete", "cancelled", "interrupted"]


# The years 1 to 9999, which is what a datetime can say.
_FIRST, _LAST = -62_135_596_800.0, 253_402_300_799.0


def moment(at: float) -> datetime:
    """The time of ``at`` seconds since 1970, in UTC; a clock gone mad shows the first or last."""
    if not _FIRST <= at <= _LAST:
        at = _FIRST if at < _FIRST else _LAST
    return datetime.fromtimestamp(at, UTC)


def recorded_moment(value: object) -> datetime | None:
    """The time that a record says: ISO text (UTC where it names no zone), or seconds since 1970.

    ``None`` for everything else, numbers that are no time of a calendar included.
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
    """Text. ``thinking`` marks a vendor's thinking, ``title`` and ``url`` are a document's.

    ``citations`` are the vendor's records of what the text rests on, as they came. ``block``
    is the vendor's whole block where the text does not hold all of it (a document, signed
    thinking): ``to_vendor`` gives it back. It does not count when parts are compared.
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
        """Whether there is nothing to it but text."""
        fields = (self.title, self.url, self.citations, self.block)
        return not self.thinking and fields == (None, None, None, None)


@attrs.frozen(slots=True, eq=False, repr=False)
class ImagePart(Value):
    """An image: base64 ``data`` with its ``media_type``, or a ``url``.

    ``source_type`` says which; ``detail`` is what OpenAI's history asks for.
    """

    type: ClassVar[str] = "image"
    source_type: Literal["base64", "url"]
    media_type: str | None = None
    data: str | None = None
    url: str | None = None
    detail: str | None = None


@attrs.frozen(slots=True, eq=False, repr=False)
class ToolUsePart(Value):
    """A call of a tool that stands inside a message."""

    type: ClassVar[str] = "tool_use"
    id: str
    name: str
    input: Mapping[str, Any]


@attrs.frozen(slots=True, eq=False, repr=False)
class ToolResultPart(Value):
    """A tool's result that stands inside a message; nested text is joined."""

    type: ClassVar[str] = "tool_result"
    tool_use_id: str
    content: str
    is_error: bool = False


@attrs.frozen(slots=True, eq=False, repr=False)
class PlaceholderPart(Value):
    """A block that cannot be shown; ``block_type`` names what it was.

    ``block`` is the block itself, as it came: ``to_vendor`` gives it back unchanged.
    """

    type: ClassVar[str] = "placeholder"
    block_type: str
    block: Any = None


Part: TypeAlias = TextPart | ImagePart | ToolUsePart | ToolResultPart | PlaceholderPart
Content: TypeAlias = str | tuple[Part, ...]


@attrs.frozen(slots=True, eq=False, repr=False)
class MessageMetadata(Value):
    """What a completion said of the message it made (protocol.md §8 M3).

    ``None`` where it said nothing. ``stop_reason`` is the server's word ("end_turn",
    "tool_use"), or "cancelled" or "interrupted" where the client knows better.
    """

    input_tokens: int | None = None
    output_tokens: int | None = None
    stop_reason: str | None = None


NO_METADATA = MessageMetadata()


@attrs.frozen(slots=True, kw_only=True)
class Message:
    """One message. Never changes; a later fact about it comes as a new value with the same id.

    ``role`` is "user", "assistant" or "assistant (thought)", or what else a server says.
    ``content`` is text, or a tuple of parts where it is more than that. ``format`` is the
    text's, as the server named it. ``status``: "streaming" only at the head of an
    :class:`OpenMessage`; then "complete", "cancelled" by the user, or "interrupted" by what
    came instead of its end. ``timestamp`` (UTC) is when its first piece came. For a message
    of a loaded history it is the time that its record gives (``timestamp``, ``created_at`` or
    ``updated_at``, as ISO text or in seconds since 1970); a record that gives none has the
    time at which the history was loaded. ``tool_calls`` and ``tool_results`` are those
    attached to it, immutable sequences that equal a tuple of the same; they need not be of
    equal number, and an id may stand in them twice, for a vendor may use it again.
    ``is_sub_session``: said in a session that an agent delegated to.
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
    """What a new message may have besides its role and its content."""

    format: str
    status: MessageStatus
    tool_calls: Sequence[ToolCall]
    tool_results: Sequence[ToolResult]


_message = unchecked_constructor(Message)


def with_text(
    message: Message,
    text: str,
    status: MessageStatus = "streaming",
    metadata: MessageMetadata = NO_METADATA,
) -> Message:
    """A message with its text, at much less cost than ``attrs.evolve``: made for every message."""
    return _message(
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
    """A message with other tools, likewise: made for every tool that has run."""
    return _message(
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


class OpenMessage(Compared, frozen=True, eq=False):
    """A message under construction: ``head`` is all of it but its text.

    Reading :attr:`content` joins the pieces that have come since somebody last read it.

    ``touched`` is the tick of its last delta, 0 where none came since the server's list of
    its session did (§8 S1). ``half`` is half of a character, which the next delta may complete
    (§2 L4): nothing shows it before. ``cut``: the link was lost, and no delta came since.
    """

    head: Message
    text: Rope
    touched: int = 0
    half: str = ""
    cut: bool = False

    def __eq__(self, other: object) -> bool:
        """Equal in what was said; when does not matter."""
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
        """The id that the message keeps when it is complete."""
        return self.head.id

    @property
    def role(self) -> str:
        """Who speaks."""
        return self.head.role

    def snapshot(self) -> Message:
        """The message as it stands, with status ``streaming``."""
        return with_text(self.head, str(self.text))

    def finish(self, status: MessageStatus, metadata: MessageMetadata) -> Message:
        """The message as it is kept."""
        return with_text(self.head, str(self.text), status, metadata)
