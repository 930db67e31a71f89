"""Every error of the library.

::

    RealtimeError
    ├── ConnectionFailed        no link could be opened, after all attempts
    ├── ConnectionLost          an open link ended
    ├── AuthenticationError     the credentials or the token were rejected
    ├── ProtocolError           the peer violated the protocol
    │   └── DecodeError         an event could not be decoded
    ├── TurnError               a turn was used in a way that its state does not allow
    ├── NotSent                 a command was certainly not sent
    ├── InDoubt                 the link broke while a command was being sent
    ├── JournalError            a journal cannot be opened, read or written
    │   └── JournalInUse        another client or process writes to this journal
    ├── HistoryGap              the log does not hold the requested moment
    ├── LaggedError             a subscriber's buffer overflowed
    └── ClosedError             used after it was closed (also a ``trio.ClosedResourceError``)

No error message contains a payload, a URL with its query, or a secret.
"""

from __future__ import annotations

from typing import Final

import trio

__all__ = [
    "AuthenticationError",
    "ClosedError",
    "ConnectionFailed",
    "ConnectionLost",
    "DecodeError",
    "HistoryGap",
    "InDoubt",
    "JournalError",
    "JournalInUse",
    "LaggedError",
    "NotSent",
    "ProtocolError",
    "RealtimeError",
    "TurnError",
]


_PASSING: Final = (401, 403, 408, 425, 429)
"""4xx statuses after which a retry, later or with another token, can succeed."""


class RealtimeError(Exception):
    """Base of all errors that this library raises."""


class ConnectionFailed(RealtimeError):
    """No connection could be opened.

    ``status`` is the HTTP status of a refused upgrade or REST call (protocol.md §7.3), or ``None``
    if the failure was below HTTP. ``retry_after`` is the delay in seconds that the server
    requested, if any.
    """

    def __init__(
        self, message: str, *, status: int | None = None, retry_after: float | None = None
    ) -> None:
        super().__init__(message)
        self.status = status
        self.retry_after = retry_after

    @property
    def final(self) -> bool:
        """Whether a retry cannot succeed: a 4xx other than 401, 403, 408, 425 and 429."""
        status = self.status
        return status is not None and 400 <= status < 500 and status not in _PASSING


class ConnectionLost(RealtimeError):
    """An open connection ended.

    ``code`` and ``reason`` are those of the websocket's close frame (RFC 6455 §7.4);
    ``code`` is ``None`` if the link broke without one.
    """

    def __init__(self, message: str, *, code: int | None = None, reason: str = "") -> None:
        super().__init__(message)
        self.code = code
        self.reason = reason

    @property
    def clean(self) -> bool:
        """Whether the peer closed the link normally (code 1000)."""
        return self.code == 1000


class AuthenticationError(RealtimeError):
    """The server rejected the credentials; a retry would not help."""


class ProtocolError(RealtimeError):
    """The peer violated the protocol."""


class DecodeError(ProtocolError):
    """An event could not be decoded; the stream continues.

    ``event_type`` is the wire type if it could be decoded. ``path`` is the position of the fault in
    the event (``$.tool_calls[0].id``). ``expected`` and ``got`` name types, never values.
    """

    def __init__(self, event_type: str | None, path: str, expected: str, got: str) -> None:
        super().__init__(f"{event_type or 'event'}: expected {expected}, got {got} at {path}")
        self.event_type = event_type
        self.path = path
        self.expected = expected
        self.got = got

    def __reduce__(self) -> tuple[type[DecodeError], tuple[str | None, str, str, str]]:
        """Rebuild from the fields: the base class would pass only the message."""
        return type(self), (self.event_type, self.path, self.expected, self.got)


class TurnError(RealtimeError):
    """A turn was used in a way that its state does not allow."""


class NotSent(RealtimeError):
    """The command certainly did not reach the server; it is safe to send it again."""


class InDoubt(RealtimeError):
    """The link broke while the command was being sent; it is unknown whether the server has it."""


class JournalError(RealtimeError):
    """A journal cannot be opened, read or written; the message says which file and why."""


class JournalInUse(JournalError):
    """Another client or process writes to this journal, or has taken it over."""


class HistoryGap(RealtimeError):
    """The log does not hold this moment: it was trimmed, damaged, or jumped over.

    ``first`` and ``last`` are the positions that are missing.
    """

    def __init__(self, message: str, *, first: int, last: int) -> None:
        super().__init__(message)
        self.first = first
        self.last = last


class LaggedError(RealtimeError):
    """The subscriber did not read in time and its buffer reached its limit."""


class ClosedError(RealtimeError, trio.ClosedResourceError):
    """The object was used after it was closed by the application."""
