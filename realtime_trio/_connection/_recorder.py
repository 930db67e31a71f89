"""Recording of the frames on the wire: the interface of a recorder and the calls to it."""

from __future__ import annotations

from contextlib import AbstractAsyncContextManager
from typing import Literal, Protocol, TypeAlias, final, runtime_checkable

import trio

from .._exceptions import ConnectionLost
from .._rest._urls import redacted

__all__ = ["HidesSecrets", "RecordKind", "RecorderLike", "RecorderTap"]

RecordKind: TypeAlias = Literal["in", "out", "open", "close", "drop"]


class RecorderLike(Protocol):
    """The type of ``open_client(recorder=…)``: a :class:`~realtime_trio.Recorder` or similar.

    Frames are passed unchanged, with any secrets in them; only URLs are passed without their
    token. A recorder that also has ``hide(secret)`` gets each token of the client before it
    is used.
    """

    def open(self) -> AbstractAsyncContextManager[None]:
        """Record until the block is left."""
        ...

    def record(self, kind: RecordKind, payload: str | bytes, *, conn: int, at: float) -> None:
        """Record one frame, or the start or end of a connection. Must not block or raise.

        ``payload`` is the frame for "in" and "out" (text or audio), the URL without its
        token for "open", and the code for "close" (with a close frame) and "drop" (without).
        ``conn`` numbers the connections from 1; ``at`` is trio's time in seconds.
        """
        ...


@runtime_checkable
class HidesSecrets(Protocol):
    """A recorder that accepts values which it must not write."""

    def hide(self, secret: str) -> None:
        """Never write this value, wherever it occurs. Must not block or raise."""
        ...


@final
class RecorderTap:
    """Passes everything to the recorder, if there is one."""

    def __init__(self, recorder: RecorderLike | None) -> None:
        self._recorder = recorder
        self.recording: bool = recorder is not None
        """Whether there is a recorder."""
        self._conn = 0

    def hide(self, secret: str) -> None:
        """Pass a secret to the recorder if it supports ``hide``."""
        if isinstance(self._recorder, HidesSecrets):
            self._recorder.hide(secret)

    def opened(self, url: str) -> None:
        """Record a new connection."""
        self._conn += 1
        self._note("open", redacted(url))

    def closed(self, end: ConnectionLost | None) -> None:
        """Record its end; ``None`` means that the client closed it."""
        if end is None:
            self._note("close", "1000")
        else:
            self._note("drop" if end.code is None else "close", str(end.code or ""))

    def received(self, frame: str | bytes) -> None:
        """Record a received frame."""
        if self._recorder is not None:
            self._note("in", frame)

    def sent(self, frame: str | bytes) -> None:
        """Record a sent frame."""
        if self._recorder is not None:
            self._note("out", frame)

    def _note(self, kind: RecordKind, payload: str | bytes) -> None:
        if self._recorder is not None:
            self._recorder.record(kind, payload, conn=self._conn, at=trio.current_time())
