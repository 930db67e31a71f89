"""Recording what crosses the wire: what the client asks of a recorder, and how it tells it."""

from __future__ import annotations

from contextlib import AbstractAsyncContextManager
from typing import Literal, Protocol, TypeAlias, final, runtime_checkable

import trio

from .._exceptions import ConnectionLost
from .._rest._urls import redacted

__all__ = ["HidesSecrets", "RecordKind", "RecorderLike", "RecorderTap"]

RecordKind: TypeAlias = Literal["in", "out", "open", "close", "drop"]


class RecorderLike(Protocol):
    """What ``open_client(recorder=…)`` takes: a :class:`~realtime_trio.Recorder`, or its like.

    Frames come as they are, with the secrets that they may hold; only URLs come without their
    token. A recorder that also has ``hide(secret)`` is told each token of the client before it
    is used.
    """

    def open(self) -> AbstractAsyncContextManager[None]:
        """Be ready to record until the block is left."""
        ...

    def record(self, kind: RecordKind, payload: str | bytes, *, conn: int, at: float) -> None:
        """Note one frame, the opening or the end of a connection. Must not block or raise.

        ``payload`` is the frame for "in" and "out" (text or audio), the URL without its
        token for "open", and for "close" (with a close frame) and "drop" (without) the code.
        ``conn`` numbers the connections from 1; ``at`` is trio's time in seconds.
        """
        ...


@runtime_checkable
class HidesSecrets(Protocol):
    """A recorder that is told which values it must not write."""

    def hide(self, secret: str) -> None:
        """Never write this value, wherever it stands. Must not block or raise."""
        ...


@final
class RecorderTap:
    """Hands everything to the recorder, where there is one."""

    def __init__(self, recorder: RecorderLike | None) -> None:
        self._recorder = recorder
        self.recording: bool = recorder is not None
        """Whether there is a recorder."""
        self._conn = 0

    def hide(self, secret: str) -> None:
        """A value must not be written, if the recorder can see to that."""
        if isinstance(self._recorder, HidesSecrets):
            self._recorder.hide(secret)

    def opened(self, url: str) -> None:
        """A connection was opened."""
        self._conn += 1
        self._note("open", redacted(url))

    def closed(self, end: ConnectionLost | None) -> None:
        """It ended; ``None``: from this side."""
        if end is None:
            self._note("close", "1000")
        else:
            self._note("drop" if end.code is None else "close", str(end.code or ""))

    def received(self, frame: str | bytes) -> None:
        """A frame was received."""
        if self._recorder is not None:
            self._note("in", frame)

    def sent(self, frame: str | bytes) -> None:
        """A frame was sent."""
        if self._recorder is not None:
            self._note("out", frame)

    def _note(self, kind: RecordKind, payload: str | bytes) -> None:
        if self._recorder is not None:
            self._recorder.record(kind, payload, conn=self._conn, at=trio.current_time())
