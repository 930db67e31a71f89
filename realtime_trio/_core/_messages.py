"""Messages as an application sees them, the same for every vendor (protocol.md §8 M6, U1)."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any, ClassVar, Literal, TypeAlias

import attrs

from .._value import Value
from ..events import ToolCall, ToolResult
from ._values import Compared, Rope, draft_of

__all__ = [
    "ASSISTANT",
    "THOUGHT",
    "Content",
    "ImagePart",
    "Message",
    "MessageMetadata",
    "MessageStatus",
    "OpenMessage",
    "Part",
    "PlaceholderPart",
    "TextPart",
    "ToolResultPart",
    "ToolUsePart",
    "moment",
    "with_changes",
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


@attrs.frozen(slots=True, eq=False, repr=False)
class TextPart(Value):
    """Text. ``thinking`` marks a vendor's thinking, ``title`` a document's name."""

    type: ClassVar[str] = "text"
    text: str
    thinking: bool = False
    title: str | None = None


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
    """A block that cannot be shown; ``block_type`` names what it was."""

    type: ClassVar[str] = "placeholder"
    block_type: str


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
    came instead of its end. ``timestamp`` (UTC) is when its first piece came, or what the
    history says. ``tool_calls`` and ``tool_results`` are those attached to it, and need not
    be of equal number. ``is_sub_session``: said in a session that an agent delegated to.
    """

    id: str
    session_id: str
    role: str
    content: Content
    format: str = "markdown"
    status: MessageStatus = "complete"
    timestamp: datetime
    tool_calls: tuple[ToolCall, ...] = ()
    tool_results: tuple[ToolResult, ...] = ()
    metadata: MessageMetadata = NO_METADATA
    is_sub_session: bool = False
    parent_session_id: str | None = None
    user_session_id: str | None = None


_MessageDraft = draft_of(Message)


def with_changes(message: Message, **changes: Any) -> Message:
    """Give a message that differs in ``changes``: ``attrs.evolve`` at much less cost."""
    draft = _MessageDraft()
    draft.id = message.id
    draft.session_id = message.session_id
    draft.role = message.role
    draft.content = message.content
    draft.format = message.format
    draft.status = message.status
    draft.timestamp = message.timestamp
    draft.tool_calls = message.tool_calls
    draft.tool_results = message.tool_results
    draft.metadata = message.metadata
    draft.is_sub_session = message.is_sub_session
    draft.parent_session_id = message.parent_session_id
    draft.user_session_id = message.user_session_id
    for name, value in changes.items():
        setattr(draft, name, value)
    draft.__class__ = Message
    changed: Message = draft
    return changed


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
        return with_changes(self.head, content=str(self.text))

    def finish(self, status: MessageStatus, metadata: MessageMetadata) -> Message:
        """The message as it is kept."""
        return with_changes(self.head, content=str(self.text), status=status, metadata=metadata)
