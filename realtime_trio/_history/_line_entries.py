"""Convert the lines of a recording or a trace to entries of a log."""

from __future__ import annotations

import binascii
import gzip
import json
import os
from collections.abc import Iterable
from pathlib import Path
from typing import Final, cast, final

from .._core._local_events import InputSentEvent, LinkLostEvent
from .._log._log_block import BlockGroup
from .._log._log_entries import (
    AudioEntry,
    CommandEntry,
    HeaderEntry,
    LogItem,
    ResetEntry,
    UserSessionEntry,
    local_entry,
)
from .._log._state_snapshot import FOLD, custom_events
from .._replay import EPOCH
from ..events import TextInputEvent

__all__ = ["LineEntries", "read_lines"]

_GZIP: Final = b"\x1f\x8b"


def read_lines(path: str | os.PathLike[str]) -> list[bytes]:
    """Read the lines of a file, gzip-compressed or not. Raises ``OSError``."""
    data = Path(path).read_bytes()
    return (gzip.decompress(data) if data.startswith(_GZIP) else data).splitlines()


@final
class LineEntries:
    """Converts lines to entries. ``ended_clean``: the last link was closed, or it is a trace."""

    def __init__(self) -> None:
        self.groups: list[BlockGroup] = []
        self.ended_clean = True
        self.found: bool = False
        """Whether any line was a JSON object."""
        self._recording: bool | None = None
        self._at = EPOCH
        self._advanced = 0.0
        self._conn: object = None
        self._commands = 0
        self._add(HeaderEntry(FOLD, 256, 10_000, custom_events(), True))

    def read(self, lines: Iterable[bytes]) -> None:
        """Read lines, in their order."""
        for line in lines:
            if line and not line.isspace():
                self._read(line)

    def _add(self, item: LogItem) -> None:
        self.groups.append((self._at, [item]))

    def _read(self, line: bytes) -> None:
        fields = _object(line)
        if fields is None:
            self._add(line.decode("utf-8", "replace"))
            return
        self.found = True
        if "__ctl" in fields:
            self._read_control(fields)
            return
        if self._recording is None:
            self._recording = "dir" in fields and "type" not in fields
        if self._recording:
            self._read_frame(fields)
        else:
            self._add(line.decode("utf-8", "replace"))

    def _read_control(self, fields: dict[str, object]) -> None:
        named, bounds = fields.get("id"), (fields.get("max_sessions"), fields.get("max_messages"))
        match fields["__ctl"]:
            case "advance":
                self._advance(fields.get("ms"))
            case "set_user_session_id" if named is None or isinstance(named, str):
                self._add(UserSessionEntry(named))
            case "reset":
                self._add(ResetEntry())
            case "link_lost":
                self._add(local_entry(LinkLostEvent()))
            case "config" if len(self.groups) == 1:
                sessions, messages = (
                    b if _positive(b) else d for b, d in zip(bounds, (256, 10_000), strict=True)
                )
                self.groups[0][1][0] = HeaderEntry(
                    FOLD, cast("int", sessions), cast("int", messages), custom_events(), True
                )
            case _:
                pass

    def _advance(self, ms: object) -> None:
        if isinstance(ms, (int, float)) and not isinstance(ms, bool) and ms > 0:
            self._advanced += ms / 1000
            self._at += ms / 1000

    def _read_frame(self, fields: dict[str, object]) -> None:
        moment, kind, conn = fields.get("t"), fields.get("dir"), fields.get("conn")
        if isinstance(moment, (int, float)) and not isinstance(moment, bool):
            self._at = EPOCH + moment + self._advanced
        text, data = fields.get("text"), fields.get("data")
        if kind == "in" and isinstance(text, str):
            self._add(text)
        elif kind == "in" and isinstance(data, str):
            self._add(_audio(data))
        elif kind == "out" and isinstance(text, str):
            self._commands += 1
            named = _object(text.encode("utf-8", "surrogatepass")) or {}
            self._add(CommandEntry(self._commands, str(named.get("type", "")), text))
            if named.get("type") == TextInputEvent.type:
                self._add(local_entry(InputSentEvent()))
        else:
            self._read_link(kind, conn)

    def _read_link(self, kind: object, conn: object) -> None:
        """Read the start of a link, or the end of the current one."""
        if kind == "open":
            self._conn, self.ended_clean = conn, False
        elif kind in ("close", "drop") and conn == self._conn:
            self.ended_clean = kind == "close"
            self._add(local_entry(LinkLostEvent()))


def _audio(data: str) -> LogItem:
    try:
        return AudioEntry(binascii.a2b_base64(data, strict_mode=True))
    except ValueError:
        return ""  # as malformed as an empty text


def _object(line: bytes) -> dict[str, object] | None:
    try:
        value = json.loads(line)
    except (ValueError, RecursionError):
        return None
    return cast("dict[str, object]", value) if isinstance(value, dict) else None


def _positive(value: object) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and value > 0
