"""The entries of a log: the inputs of the fold, in the order in which the client took them.

A log holds inputs, never results: frames as the server sent them, the library's own events, and
the calls that change the state. Folding a log gives the state again. Commands and their receipts
are included for people and for recovery; they are not folded.

In a block an entry has its shortest unambiguous form: a text frame is a string, a
binary frame is an integer (its length and its last byte, which is all that the fold needs), and
everything else is a record with a tag.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Final, Literal, TypeAlias, cast

import attrs
import msgspec

from .._core._local_events import (
    EmitEvent,
    InputSentEvent,
    LinkEvent,
    LinkLostEvent,
    NoTurnEvent,
    PlaybackEvent,
    SessionsWipedEvent,
    VoiceRequestedEvent,
)
from .._core._notifications import Notification
from ..events import ServerEvent

__all__ = [
    "AudioEntry",
    "CommandEntry",
    "HeaderEntry",
    "LocalEntry",
    "LogItem",
    "LogRecord",
    "RawTextEntry",
    "ReceiptEntry",
    "RemoteEntry",
    "RemoteWord",
    "ResetEntry",
    "UserSessionEntry",
    "audio_of",
    "audio_size",
    "frame_item",
    "local_entry",
    "local_event",
    "short_audio",
    "text_of",
]

RemoteWord: TypeAlias = Literal[
    "cursor", "accepted", "reserved", "sending", "sent", "not-sent", "in-doubt"
]
ReceiptWord: TypeAlias = Literal["sending", "sent", "not-sent", "in-doubt"]


class HeaderEntry(msgspec.Struct, frozen=True, array_like=True, tag="header"):
    """The beginning of a life: one client that writes to the log, from its start to its end.

    ``fold`` and ``custom`` identify the handlers that folded the following entries; the limits
    apply from here on. ``fresh``: the client began with an empty state, not with the state of
    the log.
    """

    fold: int
    max_sessions: int
    max_messages: int
    custom: tuple[str, ...] = ()
    fresh: bool = False


class LocalEntry(msgspec.Struct, frozen=True, array_like=True, tag="local"):
    """An event of the library itself; ``note`` is the name of its notification, if any."""

    kind: str
    fields: dict[str, str | int | bool | None] = {}
    note: str = ""


class UserSessionEntry(msgspec.Struct, frozen=True, array_like=True, tag="user"):
    """A call of ``set_user_session_id``."""

    session_id: str | None


class ResetEntry(msgspec.Struct, frozen=True, array_like=True, tag="reset"):
    """A call of ``reset``."""


class CommandEntry(msgspec.Struct, frozen=True, array_like=True, tag="command"):
    """A command that the application queued. ``number`` counts the commands of its life."""

    number: int
    name: str
    frame: str


class ReceiptEntry(msgspec.Struct, frozen=True, array_like=True, tag="receipt"):
    """The status of a command: ``sending`` is recorded before the first byte leaves."""

    number: int
    status: ReceiptWord


class RemoteEntry(msgspec.Struct, frozen=True, array_like=True, tag="remote"):
    """The status of a command that another process queued for the session.

    ``number`` is that of the command in its queue, which is read in order: "accepted" means that
    its owner has read it, "reserved" that it may be on its way, "sending" that it is about to be
    written. "cursor" means that the queue was read up to this number.
    """

    number: int
    status: RemoteWord


class RawTextEntry(msgspec.Struct, frozen=True, array_like=True, tag="raw"):
    """A text frame with a lone surrogate, which UTF-8 cannot encode."""

    data: bytes


class AudioEntry(msgspec.Struct, frozen=True, array_like=True, tag="audio"):
    """A binary frame that is kept whole."""

    data: bytes


LogRecord: TypeAlias = (
    HeaderEntry
    | AudioEntry
    | LocalEntry
    | UserSessionEntry
    | ResetEntry
    | CommandEntry
    | ReceiptEntry
    | RemoteEntry
    | RawTextEntry
)
LogItem: TypeAlias = str | int | LogRecord

# -- frames --------------------------------------------------------------------------------

# The low eight bits of a short audio entry: the last byte of the frame.
_LENGTH_SHIFT: Final = 8


def short_audio(frame: bytes) -> int:
    """Encode a binary frame as its length and its last byte.

    The last byte may be half of a sample, even if the length is even: the previous frame
    may have ended with the first half of one.
    """
    return len(frame) << _LENGTH_SHIFT | (frame[-1] if frame else 0)


def audio_size(item: int) -> int:
    """Return the length of the frame of a short audio entry."""
    return item >> _LENGTH_SHIFT


def audio_of(item: int) -> bytes:
    """Return silence that leads to the same state as the original frame."""
    size = item >> _LENGTH_SHIFT
    return bytes(size - 1) + bytes([item & 0xFF]) if size else b""


def frame_item(frame: str | bytes, *, full_audio: bool) -> LogItem:
    """Return a frame as its entry."""
    if isinstance(frame, str):
        return frame
    return AudioEntry(frame) if full_audio else short_audio(frame)


def text_of(entry: RawTextEntry) -> str:
    """Return the original frame."""
    return entry.data.decode("utf-8", "surrogatepass")


# -- local events --------------------------------------------------------------------------

_LOCAL: Final[Mapping[str, type[ServerEvent]]] = MappingProxyType(
    {
        "input-sent": InputSentEvent,
        "link": LinkEvent,
        "link-lost": LinkLostEvent,
        "no-turn": NoTurnEvent,
        "playback": PlaybackEvent,
        "said": EmitEvent,
        "sessions-wiped": SessionsWipedEvent,
        "voice-requested": VoiceRequestedEvent,
    }
)
_KINDS: Final = {cls: kind for kind, cls in _LOCAL.items()}
_NOT_STORED: Final = ("id", "note")
_SILENT: Final = Notification()


def local_entry(event: ServerEvent) -> LocalEntry:
    """Return an event of the library itself as its entry. ``KeyError`` for other classes."""
    kind = _KINDS[type(event)]
    fields = {name: getattr(event, name) for name in _names(type(event)) if name not in _NOT_STORED}
    note = getattr(event, "note", None)
    return LocalEntry(kind, fields, note.name if isinstance(note, Notification) else "")


def local_event(entry: LocalEntry) -> ServerEvent | None:
    """Return an event that folds like the stored one; ``None`` for a kind of a later version."""
    cls = _LOCAL.get(entry.kind)
    if cls is None:
        return None
    known = _names(cls)
    fields: dict[str, object] = {k: v for k, v in entry.fields.items() if k in known}
    if "note" in known and cls is not LinkEvent:
        fields["note"] = _SILENT  # it changes nothing, so only its place is kept
    make = cast("Callable[..., ServerEvent]", cls)
    return make(**fields)


def _names(cls: type[ServerEvent]) -> list[str]:
    return [field.name for field in attrs.fields(cast("type[attrs.AttrsInstance]", cls))]
