"""Recording what crosses the wire, in both directions, without its secrets."""

from __future__ import annotations

import json
from typing import Final, Literal, Protocol, TypeAlias, cast, final

import trio

from .._exceptions import ConnectionLost
from ._url import redacted

__all__ = ["RecordKind", "Recorder", "Tape", "without_secrets"]

_SECRETS: Final = frozenset({"access_token", "agent_c_token", "heygen_token", "password_hash"})
_REDACTED: Final = "<redacted>"

RecordKind: TypeAlias = Literal["in", "out", "open", "close", "drop"]


class Recorder(Protocol):
    """What ``open_client(recorder=…)`` takes."""

    def record(self, kind: RecordKind, payload: str | bytes, *, conn: int, at: float) -> None:
        """Note one frame, the opening or the end of a connection. Must not block.

        ``payload`` is the frame for "in" and "out" (text or audio), the URL without its
        token for "open", and for "close" (with a close frame) and "drop" (without) the code.
        ``conn`` numbers the connections from 1; ``at`` is trio's time in seconds.
        """
        ...


@final
class Tape:
    """Hands everything to the recorder, where there is one."""

    def __init__(self, recorder: Recorder | None) -> None:
        self._recorder = recorder
        self._conn = 0

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

    def came(self, frame: str | bytes) -> None:
        """A frame came."""
        if self._recorder is not None:
            self._note("in", without_secrets(frame))

    def sent(self, frame: str | bytes) -> None:
        """A frame left."""
        if self._recorder is not None:
            self._note("out", without_secrets(frame))

    def _note(self, kind: RecordKind, payload: str | bytes) -> None:
        if self._recorder is not None:
            self._recorder.record(kind, payload, conn=self._conn, at=trio.current_time())


def without_secrets(frame: str | bytes) -> str | bytes:
    """The frame with the values of secret fields replaced, at any depth; audio as it is."""
    if isinstance(frame, bytes) or not any(name in frame for name in _SECRETS):
        return frame
    try:
        return json.dumps(_redact(json.loads(frame)))
    except (ValueError, RecursionError):  # no JSON: it cannot be told where a secret ends
        return _REDACTED


def _redact(value: object) -> object:
    if isinstance(value, dict):
        fields = cast("dict[str, object]", value)
        return {
            name: _REDACTED if name in _SECRETS and inner is not None else _redact(inner)
            for name, inner in fields.items()
        }
    if isinstance(value, list):
        return [_redact(inner) for inner in cast("list[object]", value)]
    return value
